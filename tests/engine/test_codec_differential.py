# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The compiled codecs beside Python's json and google.protobuf, over generated messages.

Where the two may differ, and why: JSON that is refused here and not by Python has a number that no
64 bits or double holds, a lone surrogate, the same member twice, or is deeper than 100; protobuf
that is refused here alone has groups or reserved field numbers. So whatever is accepted here must
be accepted there, with the same values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from echo_codecs import FULL, Echo, contents_field, grpc_request, json_body
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock._engine import deserialize_bytes, serialize_bytes
from penstock._proto.inference_pb2 import ModelInferRequest
from penstock.errors import ServerError
from penstock.types import NUMPY_DTYPES, DataType

Array = np.ndarray[Any, Any]

EXAMPLES = settings(max_examples=20_000 if FULL else 300, deadline=None)
DTYPES = {t: np.dtype(kind) for t, kind in NUMPY_DTYPES.items()}
NUMBERS = [t for t in DTYPES if t is not DataType.BYTES]
JSON_NUMBERS = [t for t in NUMBERS if t not in (DataType.FP16, DataType.BOOL)]


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    served = Echo()
    yield served
    served.close()


def binary_body(data_type: DataType, count: int, data: bytes) -> tuple[bytes, int]:
    """A binary request for a JSON answer."""
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "INPUT0",
                    "datatype": data_type.name,
                    "shape": [count],
                    "parameters": {"binary_data_size": len(data)},
                }
            ]
        }
    ).encode()
    return head + data, len(head)


def raw_bytes(data_type: DataType) -> st.SearchStrategy[bytes]:
    """Some elements of a type with fixed size, of any bits."""
    size = DTYPES[data_type].itemsize
    return st.lists(st.binary(min_size=size, max_size=size), max_size=20).map(b"".join)


def same_numbers(left: Array, right: Array) -> bool:
    """Bit for bit, but for what a NaN carries."""
    if left.dtype.kind == "f":
        numbers = ~np.isnan(left)
        same_places = np.array_equal(numbers, ~np.isnan(right))
        return same_places and left[numbers].tobytes() == right[numbers].tobytes()
    return left.tobytes() == right.tobytes()


class TestJson:
    @EXAMPLES
    @given(
        values=st.lists(st.floats(width=64) | st.integers(-(2**63), 2**64 - 1), max_size=30),
        indent=st.sampled_from([None, 0, 3]),
    )
    def test_doubles_in(self, echo: Echo, values: list[float], indent: int | None) -> None:
        text = json.dumps(values, indent=indent)
        body, length = echo.http(
            DataType.FP64, json_body(DataType.FP64, len(values), text, binary=True), None
        )
        tensor = body[length:] if length >= 0 else b""
        expected = np.array([float(v) for v in values], dtype=np.float64)
        assert same_numbers(np.frombuffer(tensor, np.float64), expected)

    @EXAMPLES
    @given(values=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8))
    def test_strings_in_and_out(self, echo: Echo, values: list[str]) -> None:
        for ascii_only in (True, False):
            text = json.dumps(values, ensure_ascii=ascii_only)
            body = json_body(DataType.BYTES, len(values), text, binary=False)
            answer, length = echo.http(DataType.BYTES, body, None)
            assert length == -1
            assert json.loads(answer)["outputs"][0]["data"] == values

    @EXAMPLES
    @given(data=st.data(), data_type=st.sampled_from(JSON_NUMBERS))
    def test_numbers_out(self, echo: Echo, data: st.DataObject, data_type: DataType) -> None:
        raw = data.draw(raw_bytes(data_type))
        array = np.frombuffer(raw, DTYPES[data_type])
        body, length = echo.http(data_type, *binary_body(data_type, array.size, raw))
        assert length == -1
        output = json.loads(body)["outputs"][0]
        assert output["shape"] == [array.size]
        assert all(isinstance(v, float if array.dtype.kind == "f" else int) for v in output["data"])
        assert same_numbers(np.array(output["data"], array.dtype), array)

    @EXAMPLES
    @given(
        values=st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=4),
        at=st.integers(0, 10_000),
        junk=st.text('0123456789eE+-.,:[]{}"\\ nulltrefasNIiy\n\x00é', max_size=3),
        cut=st.integers(0, 3),
    )
    def test_damaged_text(
        self, echo: Echo, values: list[int], at: int, junk: str, cut: int
    ) -> None:
        body = json_body(DataType.INT64, len(values), json.dumps(values), binary=True).decode()
        at %= len(body)
        damaged = body[:at] + junk + body[at + cut :]
        try:
            answer, length = echo.http(DataType.INT64, damaged.encode(), None)
        except ServerError as error:
            assert error.message  # refused is right as well, a wrong answer is not
            return
        request = json.loads(damaged)
        output = answer[length:] if length >= 0 else b""
        wanted = np.array(request["inputs"][0]["data"], np.int64).tobytes()
        if length >= 0:
            assert output == wanted
        else:
            shown = json.loads(answer)["outputs"][0].get("data", [])
            assert np.array(shown, np.int64).tobytes() == wanted


class TestProtobuf:
    @EXAMPLES
    @given(data=st.data(), data_type=st.sampled_from(NUMBERS), request_id=st.text(max_size=5))
    def test_raw(
        self, echo: Echo, data: st.DataObject, data_type: DataType, request_id: str
    ) -> None:
        raw = data.draw(raw_bytes(data_type))
        count = len(raw) // DTYPES[data_type].itemsize
        request = grpc_request(data_type, count)
        request.id = request_id.encode(errors="ignore").decode()
        request.raw_input_contents.append(raw)
        answer = echo.grpc(request.SerializeToString())
        assert answer.model_name == request.model_name
        assert answer.model_version == "1"
        assert answer.id == request.id
        assert list(answer.outputs[0].shape) == [count]
        assert answer.outputs[0].datatype == data_type.name
        assert list(answer.raw_output_contents) == [raw]

    @EXAMPLES
    @given(
        data=st.data(), data_type=st.sampled_from([t for t in NUMBERS if t is not DataType.FP16])
    )
    def test_typed(self, echo: Echo, data: st.DataObject, data_type: DataType) -> None:
        array = np.frombuffer(data.draw(raw_bytes(data_type)), DTYPES[data_type])
        if data_type is DataType.BOOL:
            array = array.view(np.uint8) != 0
        request = grpc_request(data_type, array.size)
        contents = request.inputs[0].contents
        contents.SetInParent()
        getattr(contents, contents_field(data_type)).extend(array.tolist())
        answer = echo.grpc(request.SerializeToString())
        output = np.frombuffer(answer.raw_output_contents[0], array.dtype)
        assert same_numbers(output, array)

    @EXAMPLES
    @given(values=st.lists(st.binary(max_size=20), max_size=8))
    def test_strings(self, echo: Echo, values: list[bytes]) -> None:
        typed = grpc_request(DataType.BYTES, len(values))
        typed.inputs[0].contents.SetInParent()
        typed.inputs[0].contents.bytes_contents.extend(values)
        raw = grpc_request(DataType.BYTES, len(values))
        raw.raw_input_contents.append(serialize_bytes(np.array(values, np.object_)))
        for request in (typed, raw):
            answer = echo.grpc(request.SerializeToString())
            assert list(deserialize_bytes(answer.raw_output_contents[0], len(values))) == values

    @EXAMPLES
    @given(
        values=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
        typed=st.booleans(),
        at=st.integers(0, 10_000),
        junk=st.binary(max_size=3),
        cut=st.integers(0, 3),
    )
    def test_damaged_message(
        self, echo: Echo, values: list[int], typed: bool, at: int, junk: bytes, cut: int
    ) -> None:
        request = grpc_request(DataType.INT32, len(values))
        request.parameters["custom"].string_param = "value"
        if typed:
            request.inputs[0].contents.SetInParent()
            request.inputs[0].contents.int_contents.extend(values)
        else:
            request.raw_input_contents.append(np.array(values, np.int32).tobytes())
        message = request.SerializeToString()
        at %= len(message)
        damaged = message[:at] + junk + message[at + cut :]
        try:
            answer = echo.grpc(damaged)
        except ServerError as error:
            assert error.message  # refused is right as well, a wrong answer is not
            return
        try:
            read = ModelInferRequest.FromString(damaged)
        except DecodeError:
            pytest.fail(f"accepted what google.protobuf refuses: {damaged!r}")
        if read.raw_input_contents:
            wanted = read.raw_input_contents[0]
        else:
            wanted = np.array(read.inputs[0].contents.int_contents, np.int32).tobytes()
        assert answer.id == read.id
        assert answer.raw_output_contents[0] == wanted
