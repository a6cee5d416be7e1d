# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A2: two readers of the same bytes must not disagree where a message ends."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from framing_cases import FRAMING_CASES, FramingCase
from raw_http import INFER, RawHttp, infer_message
from survive import Survivor

MARKER = b"GET /v2/models/the-marker/ready HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def survivor(baseline: Survivor) -> Iterator[Survivor]:
    """One check for all cases of the module."""
    baseline.mark()
    yield baseline
    baseline.check()


def test_a2_has_enough_cases_with_names_of_their_own() -> None:
    assert len(FRAMING_CASES) >= 150
    assert len({case.name for case in FRAMING_CASES}) == len(FRAMING_CASES)


@pytest.mark.parametrize("case", FRAMING_CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("pieces", [1, 3], ids=["whole", "pieces"])
def test_a2_refused(survivor: Survivor, case: FramingCase, pieces: int) -> None:
    """The request behind it must not be answered: nobody knows where it begins."""
    data = case.data + MARKER
    step = -(-len(data) // pieces)
    with RawHttp(survivor.server.http_port) as client:
        for at in range(0, len(data), step):
            client.send(data[at : at + step])
        status, body = client.reply()
        assert status == case.status
        assert json.loads(body)["error"]
        assert client.rest() == b""


@pytest.mark.parametrize("case", FRAMING_CASES[::5], ids=lambda case: case.name)
def test_a2_refused_behind_a_good_request(survivor: Survivor, case: FramingCase) -> None:
    """The first of two is answered, the second refused, the third not looked at."""
    with RawHttp(survivor.server.http_port) as client:
        client.send(infer_message() + case.data + MARKER)
        assert client.reply()[0] == 200
        assert client.reply()[0] == case.status
        assert client.rest() == b""


_BODY = infer_message().partition(b"\r\n\r\n")[2]
_HEAD = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n".encode()
_CHUNKS = b"%x;a=b\r\n%s\r\n%X\r\n%s\r\n000\r\nA: b\r\n\r\n" % (
    10,
    _BODY[:10],
    len(_BODY) - 10,
    _BODY[10:],
)
_TARGET = INFER.encode()
ODD = {
    "length_with_zeros": _HEAD + b"Content-Length: 000%d\r\n\r\n" % len(_BODY) + _BODY,
    "length_in_any_case": _HEAD + b"content-LENGTH:\t%d \r\n\r\n" % len(_BODY) + _BODY,
    "chunks": _HEAD + b"Transfer-Encoding: CHUNKED\r\n\r\n" + _CHUNKS,
    "empty_line_before": b"\r\n" + infer_message(),
    "absolute_form": infer_message().replace(_TARGET, b"http://other.host" + _TARGET, 1),
    "query": infer_message().replace(_TARGET, _TARGET + b"?a=b&c", 1),
    "upgrade": infer_message(fields="Upgrade: websocket\r\nConnection: upgrade\r\n"),
    "empty_and_high_values": infer_message(fields="A:\r\nB: \xff\r\n"),
}


@pytest.mark.parametrize("name", ODD)
def test_a2_odd_and_served(survivor: Survivor, name: str) -> None:
    """The other half: what RFC 9112 allows works, and the next request is found."""
    with RawHttp(survivor.server.http_port) as client:
        client.send(ODD[name] + MARKER)
        assert client.reply()[0] == 200
        assert b"the-marker" in client.reply()[1]
