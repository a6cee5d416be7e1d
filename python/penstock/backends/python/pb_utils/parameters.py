# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Parameters of requests and responses: checked names and values, and their JSON (contract 5.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .errors import TritonModelException

ParameterValue = bool | int | float | str
Parameters = Mapping[str, ParameterValue]


def checked_parameters(parameters: Parameters | None) -> dict[str, ParameterValue]:
    """A copy with proven types. Raises TritonModelException naming the offender."""
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise TritonModelException(f"Expect parameters to be a dict, found type {type(parameters)}")
    for key, value in parameters.items():
        if not isinstance(key, str):
            raise TritonModelException(
                f"Expect parameters keys to have type str, found type {type(key)}"
            )
        if not isinstance(value, bool | int | float | str):
            raise TritonModelException(
                f"Expect parameters values to have type bool/int/float/str, found type "
                f"{type(value)} for '{key}'"
            )
    return dict(parameters)


def parameters_json(parameters: Parameters) -> str:
    """What `parameters()` of a request or response returns: a JSON object, maybe "{}"."""
    return json.dumps(dict(parameters)) if parameters else "{}"
