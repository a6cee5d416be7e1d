# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""gzip and deflate (H-25, H-33, H-34)."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from penstock.errors import InvalidArgError
from penstock.frontends.http.compression import compress, decompress, negotiate


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate", "gzip"),
        ("deflate, gzip", "deflate"),
        ("identity, gzip", "identity"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip;q=0.5,deflate;q=0.5", "gzip"),
        ("GZIP ; Q=0.3", "gzip"),
        ("gzip;q=0", "identity"),
        ("br", "identity"),
        ("br;q=1.0, gzip;q=0.1", "gzip"),
        ("*", "identity"),
        ("gzip;q=x", "identity"),
        ("gzip;q=2", "identity"),
        ("gzip;q=nan", "identity"),
        ("gzip;q=-1", "identity"),
        (",,;=,gzip;;", "identity"),
    ],
)
def test_negotiate(accept: str, encoding: str) -> None:
    assert negotiate(accept) == encoding


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 5000])
def test_round_trip_with_the_standard_library(body: bytes) -> None:
    assert gzip.decompress(compress(body, "gzip")) == body
    assert zlib.decompress(compress(body, "deflate")) == body
    assert decompress(gzip.compress(body), len(body)) == body
    assert decompress(zlib.compress(body), len(body)) == body


def test_the_bound_is_exact() -> None:
    body = b"x" * 100_000
    assert decompress(gzip.compress(body), 100_000) == body
    with pytest.raises(InvalidArgError) as caught:
        decompress(gzip.compress(body), 99_999)
    assert caught.value.message == (
        "Decompressed data size exceeds the maximum allowed value of 99999 bytes. "
        "Use --http-max-input-size to increase the limit."
    )


def test_a_bomb_does_not_take_memory() -> None:
    limit = 1 << 20
    bomb = gzip.compress(bytes(200 << 20), compresslevel=9)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidArgError, match="exceeds the maximum"):
            decompress(bomb, limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit + (4 << 20)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"not compressed", "incorrect header"),
        (gzip.compress(b"x" * 1000)[:-1], "truncated"),
        (gzip.compress(b"x" * 1000)[:5], "truncated"),
        (gzip.compress(b"x") + b"more", "data follows its end"),
        (gzip.compress(b"x")[:-8] + bytes(8), "incorrect"),
        (b"\x1f\x8b", "truncated"),
        (b"", "truncated"),
    ],
    ids=["text", "no end", "a header", "two", "a wrong sum", "a beginning", "nothing"],
)
def test_a_bad_stream_is_the_clients_mistake(body: bytes, text: str) -> None:
    with pytest.raises(InvalidArgError, match=text):
        decompress(body, 1 << 20)
