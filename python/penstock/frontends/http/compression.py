# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""gzip and deflate bodies (H-33, H-34), decompressed as a stream under a bound (H-25)."""

from __future__ import annotations

import zlib

from penstock.errors import InvalidArgError

#: Encodings that a request body may have besides identity.
ENCODINGS = ("gzip", "deflate")

#: zlib window bits: gzip with its header, or "deflate", which is zlib's own format (RFC 9110).
_WBITS = {"gzip": 31, "deflate": 15}
#: Accepts both formats, whatever the header says, as Triton does.
_WBITS_ANY = 47
_STEP_BYTES = 1 << 18


def negotiate(accept_encoding: str) -> str:
    """The encoding of a reply: identity, gzip or deflate with the highest weight (H-34).

    The first wins a tie; what cannot be parsed is left out. No candidate: identity.
    """
    best, best_weight = "identity", 0.0
    for item in accept_encoding.split(","):
        name, _, parameter = item.partition(";")
        name = name.strip().lower()
        if name != "identity" and name not in _WBITS:
            continue
        weight = _weight(parameter)
        if weight > best_weight:
            best, best_weight = name, weight
    return best


def _weight(parameter: str) -> float:
    """The value of `q=<n>`, 1 when there is none, 0 when it is nonsense."""
    parameter = parameter.strip()
    if not parameter:
        return 1.0
    name, _, value = parameter.partition("=")
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if name.strip().lower() == "q" and 0.0 <= weight <= 1.0 else 0.0


def compress(body: bytes, encoding: str) -> bytes:
    """The whole body, JSON and binary data, in `encoding` (gzip or deflate)."""
    stream = zlib.compressobj(level=zlib.Z_DEFAULT_COMPRESSION, wbits=_WBITS[encoding])
    return stream.compress(body) + stream.flush()


def decompress(body: bytes, max_bytes: int) -> bytes:
    """Undoes gzip or deflate. Memory stays within `max_bytes` whatever the body claims.

    Raises InvalidArgError: too large (H-25), corrupt, truncated, or followed by more data.
    """
    stream = zlib.decompressobj(wbits=_WBITS_ANY)
    parts: list[bytes] = []
    total = 0
    pending: bytes = body
    while not stream.eof:
        try:
            part = stream.decompress(pending, _STEP_BYTES)
        except zlib.error as error:
            raise InvalidArgError(f"Unable to decompress the request body: {error}") from None
        total += len(part)
        if total > max_bytes:
            raise InvalidArgError(
                f"Decompressed data size exceeds the maximum allowed value of {max_bytes} bytes. "
                "Use --http-max-input-size to increase the limit."
            )
        parts.append(part)
        pending = stream.unconsumed_tail
        if not part and not pending and not stream.eof:
            raise InvalidArgError("Unable to decompress the request body: it is truncated")
    if stream.unused_data:
        raise InvalidArgError("Unable to decompress the request body: data follows its end")
    return b"".join(parts)
