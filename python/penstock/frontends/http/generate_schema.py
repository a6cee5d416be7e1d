# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The generate extension's JSON to that of an inference request, and back (GEN-1..GEN-3).

Pure functions: a flat object of inputs and parameters becomes the body that the inference codec
reads, so that values are checked there, with its texts; its answer becomes a flat object again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Any, TypeAlias

import numpy as np

from penstock.errors import InvalidArgError
from penstock.types import NUMPY_DTYPES, DataType

Parameter: TypeAlias = tuple[str, bool | int | float | str]

#: Text of models that is not UTF-8 goes through as it is (X-69).
_AS_IT_IS = "surrogateescape"
_NESTED = "parameters"
_INT64 = range(-(1 << 63), 1 << 63)
_MAX_PARAMETERS = 1024


class GenerateRequest:
    """A generate body on its way to an inference request."""

    def __init__(self, inputs: list[dict[str, Any]], max_input_bytes: int) -> None:
        """`inputs`: of the model's metadata, each {name, datatype, shape}."""
        self._specs = {spec["name"]: spec for spec in inputs}
        self._max_input_bytes = max_input_bytes
        self._input_bytes = 0
        self._inputs: list[dict[str, Any]] = []
        self.parameters: list[Parameter] = []

    def convert(self, body: Mapping[str, Any]) -> bytes:
        """The inference request; what names no input is in `parameters`. Raises InvalidArgError."""
        if _NESTED in self._specs and _NESTED in body:
            raise InvalidArgError(
                f"Keyword '{_NESTED}' for nested schema also given as input tensor name"
            )
        for key, value in body.items():
            if key == _NESTED:
                self._take_nested(value)
            else:
                self._take(key, value)
        request: dict[str, Any] = {"inputs": self._inputs}
        if "id" in body and "id" not in self._specs:
            if not isinstance(body["id"], str):
                raise InvalidArgError("Unable to parse 'id': expected a string")
            request["id"] = body["id"]
        return json.dumps(request, separators=(",", ":")).encode()

    def _take_nested(self, value: Any) -> None:
        where = f"Converting keyword: '{_NESTED}': "
        if not isinstance(value, dict):
            found = _json_type(value)
            raise InvalidArgError(
                f"{where}Expected JSON object for keyword: '{_NESTED}': it is {found}"
            )
        try:
            for key, child in value.items():
                self._take(key, child)
        except InvalidArgError as error:
            raise InvalidArgError(where + error.message) from None

    def _take(self, key: str, value: Any) -> None:
        if key in self._specs:
            self._inputs.append(self._tensor(self._specs[key], value))
        else:
            if len(self.parameters) == _MAX_PARAMETERS:
                raise InvalidArgError(
                    f"the request has more than {_MAX_PARAMETERS} parameters, which is the maximum"
                )
            self.parameters.append((key, _parameter(key, value)))

    def _tensor(self, spec: Mapping[str, Any], value: Any) -> dict[str, Any]:
        name, datatype = spec["name"], spec["datatype"]
        values = value if isinstance(value, list) else [value]
        if any(isinstance(element, list | dict) for element in values):
            raise InvalidArgError(
                f"input '{name}' must be a single value or an array of one dimension"
            )
        self._count(name, datatype, values)
        shape = _shape(name, spec["shape"], len(values))
        return {"name": name, "datatype": datatype, "shape": shape, "data": values}

    def _count(self, name: str, datatype: str, values: list[Any]) -> None:
        """H-25: the bytes of all inputs together."""
        size = _size_bytes(name, datatype, values)
        self._input_bytes += size
        if self._input_bytes > self._max_input_bytes:
            raise InvalidArgError(
                f"request size of {self._input_bytes} bytes with input '{name}' of size {size} "
                f"bytes exceeds the maximum allowed input size of {self._max_input_bytes}. "
                "Use --http-max-input-size to increase the limit."
            )


def flatten(reply: bytes) -> dict[str, Any]:
    """An inference response as a generate response (GEN-3): one element is a scalar."""
    response = json.loads(reply.decode(errors=_AS_IT_IS))
    outputs = response.pop("outputs")
    flat: dict[str, Any] = response.pop(_NESTED, {}) | response
    for output in outputs:
        data = output["data"]
        flat[output["name"]] = data[0] if len(data) == 1 else data
    return flat


def dump(value: Mapping[str, Any]) -> bytes:
    """What flatten() has made, as JSON."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors=_AS_IT_IS)


def _shape(name: str, dims: list[int], count: int) -> list[int]:
    """GEN-2: the innermost wildcard takes what the fixed dimensions leave, the others are 1."""
    if count == 0:
        return []
    fixed = prod(dim for dim in dims if dim >= 0)
    wildcards = [index for index, dim in enumerate(dims) if dim < 0]
    if fixed == 0 or count % fixed or (not wildcards and count != fixed):
        raise InvalidArgError(
            f"The schema can not convert input '{name}' to tensor with proper shape"
        )
    shape = [max(dim, 1) if dim < 0 else dim for dim in dims]
    if wildcards:
        shape[wildcards[-1]] = count // fixed
    return shape


def _size_bytes(name: str, datatype: str, values: list[Any]) -> int:
    if datatype == DataType.BYTES.name:
        return sum(
            4 + len(value.encode(errors="surrogatepass"))
            for value in values
            if isinstance(value, str)
        )
    numpy_type = NUMPY_DTYPES.get(DataType[datatype])
    if numpy_type is None or datatype == DataType.FP16.name:
        raise InvalidArgError(f"input '{name}' has unsupported datatype {datatype}")
    return len(values) * np.dtype(numpy_type).itemsize


def _parameter(key: str, value: Any) -> bool | int | float | str:
    """H-47."""
    if isinstance(value, int) and not isinstance(value, bool) and value not in _INT64:
        try:
            return float(value)
        except OverflowError:
            raise InvalidArgError(f"parameter '{key}' has a number that is too large") from None
    if isinstance(value, bool | int | float | str):
        return value
    raise InvalidArgError(
        f"parameter '{key}' has invalid type. It should be either 'int', 'bool', or 'string'."
    )


def _json_type(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
