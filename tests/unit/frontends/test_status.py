# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Each frontend's table of core codes is total, and contract 1.0's but for our own."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from grpc import StatusCode
from penstock.errors import Code
from penstock.frontends.grpc.status import GRPC_STATUS
from penstock.frontends.http.status import HTTP_STATUS

CONTRACT = {
    Code.UNKNOWN: (400, StatusCode.UNKNOWN),
    Code.INTERNAL: (500, StatusCode.INTERNAL),
    Code.NOT_FOUND: (404, StatusCode.NOT_FOUND),
    Code.INVALID_ARG: (400, StatusCode.INVALID_ARGUMENT),
    Code.UNAVAILABLE: (503, StatusCode.UNAVAILABLE),
    Code.UNSUPPORTED: (501, StatusCode.UNIMPLEMENTED),
    Code.ALREADY_EXISTS: (400, StatusCode.ALREADY_EXISTS),
    Code.CANCELLED: (400, StatusCode.CANCELLED),
    Code.DEADLINE_EXCEEDED: (504, StatusCode.DEADLINE_EXCEEDED),
}


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_its_status(code: Code) -> None:
    http, grpc = CONTRACT[code]
    assert HTTP_STATUS[code] == HTTPStatus(http)
    assert GRPC_STATUS[code] is grpc


def test_no_row_is_for_an_unknown_code() -> None:
    assert set(HTTP_STATUS) == set(GRPC_STATUS) == set(Code)
