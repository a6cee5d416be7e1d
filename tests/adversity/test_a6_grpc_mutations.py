# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A6: protobuf and gRPC framing that a fuzzer makes of good ones: never INTERNAL, never the end."""

from __future__ import annotations

import gzip
import random
import socket
import struct
from collections import Counter

import grpc
import http2_frames as h2
import pytest
from http2_frames import RawConnection, call_head, frame, message
from sizes import report, size
from survive import MIB, Survivor, clients_fault, harmless, infer_request

MESSAGES, FRAMES = size(8_000, 80_000), size(2_000, 20_000)
BODY = infer_request().SerializeToString()
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
#: Calls that are under way together.
TOGETHER = 64


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


class _Mutator:
    """Changes a message as a seed says."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def mutated(self, body: bytes) -> bytes:
        for _ in range(self.random.randrange(1, 5)):
            body = self.random.choice(self._ways)(self, body)
        return body

    def _at(self, body: bytes) -> int:
        return self.random.randrange(len(body) + 1)

    def _flip(self, body: bytes) -> bytes:
        at, bit = self._at(body), 1 << self.random.randrange(8)
        return body[:at] + bytes(b ^ bit for b in body[at : at + 1]) + body[at + 1 :]

    def _byte(self, body: bytes) -> bytes:
        at = self._at(body)
        return body[:at] + self.random.randbytes(1) + body[at + 1 :]

    def _cut(self, body: bytes) -> bytes:
        at = self._at(body)
        return body[:at] + body[at + self.random.randrange(1, 9) :]

    def _double(self, body: bytes) -> bytes:
        at = self._at(body)
        return body[:at] + body[: self.random.randrange(1, 40)] + body[at:]

    def _length(self, body: bytes) -> bytes:
        """A length that lies."""
        at = self._at(body)
        lies = (0, 1, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
        return body[:at] + varint(self.random.choice(lies)) + body[at + 1 :]

    def _field(self, body: bytes) -> bytes:
        """A field of any number and wire type, known or not."""
        at, number = self._at(body), self.random.choice((*range(12), 15, 16, 2047, 2**29 - 1))
        content = self.random.randbytes(self.random.randrange(12))
        tag = varint(number << 3 | self.random.randrange(8))
        return body[:at] + tag + varint(len(content)) + content + body[at:]

    def _groups(self, body: bytes) -> bytes:
        """Groups, deep, and perhaps not ended."""
        depth = self.random.choice((1, 50, 101, 5000))
        end = varint(9 << 3 | 4) * self.random.choice((depth, depth - 1, 0))
        return body + varint(9 << 3 | 3) * depth + end

    def _swap(self, body: bytes) -> bytes:
        """Another wire type for what may be a tag."""
        at = self._at(body)
        kind = self.random.randrange(8)
        return body[:at] + bytes(b & 0xF8 | kind for b in body[at : at + 1]) + body[at + 1 :]

    _ways = (_flip, _byte, _cut, _double, _length, _field, _groups, _swap)


def test_a6_mutated_messages(survivor: Survivor) -> None:
    """Refused for what the client did, or served; each in time."""
    seen: Counter[str] = Counter()
    with grpc.insecure_channel(survivor.server.grpc_url) as channel:
        call = channel.unary_unary(INFER)
        for start in range(0, MESSAGES, TOGETHER):
            seeds = range(start, min(start + TOGETHER, MESSAGES))
            calls = [call.future(_Mutator(seed).mutated(BODY), timeout=20) for seed in seeds]
            for seed, answer in zip(seeds, calls, strict=True):
                code = answer.code()
                seen[code.name] += 1
                assert code == grpc.StatusCode.OK or clients_fault(code), f"seed {seed}: {code}"
                harmless(answer.details() or "")
    assert seen.keys() >= {"OK", "INVALID_ARGUMENT"}, seen
    report(f"A6: {MESSAGES} messages, answers {dict(seen)}")


def random_frames(seed: int) -> bytes:
    """Right and wrong kinds, sizes, flags and streams."""
    chosen = random.Random(seed)
    out = bytearray()
    for _ in range(chosen.randrange(1, 12)):
        kind, flags = chosen.randrange(0, 12), chosen.randrange(0, 256)
        stream = chosen.choice((0, 1, 1, 3, 5, 2, 0x7FFFFFFF))
        some = (b"", bytes(5), h2.call_fields(), chosen.randbytes(chosen.randrange(64)), BODY)
        made = frame(kind, flags, stream, chosen.choice(some))
        if chosen.random() < 0.2:
            made = struct.pack(">I", chosen.randrange(1 << 20))[1:] + made[3:]
        out += made
    return bytes(out)


def test_a6_random_frames(survivor: Survivor) -> None:
    """Whatever comes, the connection ends or the frames are skipped."""
    for seed in range(FRAMES):
        with RawConnection(survivor.server.grpc_port) as connection:
            connection.send_until_closed(random_frames(seed))


CALLS: dict[str, tuple[bytes, dict[str, str]]] = {
    "flags": (message(BODY, flags=2), {}),
    "length_long": (message(BODY, length=len(BODY) + 1), {}),
    "length_short": (message(BODY, length=3), {}),
    "length_2_gib": (message(b"", length=0x80000000), {}),
    "length_4_gib": (message(BODY, length=0xFFFFFFFF), {}),
    "cut_prefix": (message(BODY)[:3], {}),
    "no_message": (b"", {}),
    "two_messages": (message(BODY) * 2, {}),
    "compressed_without_encoding": (message(BODY, flags=1), {}),
    "no_gzip": (message(BODY, flags=1), {"grpc_encoding": "gzip"}),
    "cut_gzip": (message(gzip.compress(BODY)[:-9], flags=1), {"grpc_encoding": "gzip"}),
    "unknown_encoding": (message(BODY), {"grpc_encoding": "snappy"}),
    "timeout_negative": (message(BODY), {"grpc_timeout": "-1S"}),
    "timeout_unit": (message(BODY), {"grpc_timeout": "1X"}),
    "timeout_too_long": (message(BODY), {"grpc_timeout": "123456789S"}),
    "timeout_no_number": (message(BODY), {"grpc_timeout": "S"}),
    "content_type": (message(BODY), {"content_type": "text/html"}),
    "content_type_prefix": (message(BODY), {"content_type": "application/grpcx"}),
    "no_content_type": (message(BODY), {"content_type": ""}),
    "method": (message(BODY), {":method": "PUT"}),
    "unknown_service": (message(BODY), {":path": "/no.such.Service/Method"}),
    "unknown_method": (message(BODY), {":path": "/inference.GRPCInferenceService/NoSuch"}),
    "no_method": (message(BODY), {":path": "/"}),
}


@pytest.mark.parametrize("name", CALLS)
def test_a6_malformed_calls(survivor: Survivor, name: str) -> None:
    """Refused, and the connection serves the next call."""
    data, fields = CALLS[name]
    path = fields.get(":path", INFER)
    more = {key: value for key, value in fields.items() if key != ":path"}
    with RawConnection(survivor.server.grpc_port) as connection:
        connection.send(call_head(1, path, **more))
        connection.send(frame(h2.DATA, h2.END_STREAM, 1, data))
        connection.read_end(1)
        connection.send(call_head(3))
        connection.send(frame(h2.DATA, h2.END_STREAM, 3, message(BODY)))
        assert connection.read_until(h2.DATA, 3).payload[0] == 0


@pytest.mark.parametrize("fields", [{"te": ""}, {"grpc_timeout": "99999999H"}], ids=["te", "time"])
def test_a6_odd_calls_are_served(survivor: Survivor, fields: dict[str, str]) -> None:
    with RawConnection(survivor.server.grpc_port) as connection:
        connection.send(call_head(1, **fields))
        connection.send(frame(h2.DATA, h2.END_STREAM, 1, message(BODY)))
        connection.read_until(h2.DATA, 1)


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def setting(name: int, value: int) -> bytes:
    return frame(h2.SETTINGS, 0, 0, struct.pack(">HI", name, value))


VIOLATIONS = {
    "data_on_stream_0": frame(h2.DATA, 0, 0, b"x"),
    "data_on_idle_stream": frame(h2.DATA, 0, 7, b"x"),
    "head_on_stream_0": frame(h2.HEADERS, h2.END_HEADERS, 0, h2.call_fields()),
    "head_on_even_stream": call_head(2),
    "continuation_alone": frame(h2.CONTINUATION, h2.END_HEADERS, 1, b""),
    "frame_within_head": frame(h2.HEADERS, 0, 1, h2.call_fields()) + frame(h2.PING, 0, 0, bytes(8)),
    "reset_on_stream_0": frame(h2.RST_STREAM, 0, 0, u32(8)),
    "reset_of_idle_stream": frame(h2.RST_STREAM, 0, 11, u32(8)),
    "reset_of_3_bytes": call_head(1) + frame(h2.RST_STREAM, 0, 1, b"abc"),
    "ping_of_7_bytes": frame(h2.PING, 0, 0, bytes(7)),
    "ping_on_a_stream": frame(h2.PING, 0, 1, bytes(8)),
    "settings_on_a_stream": frame(h2.SETTINGS, 0, 1),
    "settings_of_5_bytes": frame(h2.SETTINGS, 0, 0, bytes(5)),
    "settings_ack_with_content": frame(h2.SETTINGS, h2.ACK, 0, bytes(6)),
    "settings_push_2": setting(2, 2),
    "settings_window_2_gib": setting(4, 1 << 31),
    "settings_frame_size_0": setting(5, 0),
    "settings_frame_size_4_gib": setting(5, (1 << 32) - 1),
    "window_of_nothing_on_a_stream": call_head(1) + frame(h2.WINDOW_UPDATE, 0, 1, u32(0)),
    "window_of_nothing": frame(h2.WINDOW_UPDATE, 0, 0, u32(0)),
    "window_overflow": frame(h2.WINDOW_UPDATE, 0, 0, u32(0x7FFFFFFF)),
    "window_of_3_bytes": frame(h2.WINDOW_UPDATE, 0, 0, bytes(3)),
    "goaway_on_a_stream": frame(h2.GOAWAY, 0, 1, bytes(8)),
    "push_promise": frame(5, h2.END_HEADERS, 1, u32(2) + h2.call_fields()),
    "frame_larger_than_allowed": struct.pack(">I", 0xFFFFFF)[1:] + b"\x00\x00\x00\x00\x00\x01",
    "padding_longer_than_frame": call_head(1) + frame(h2.DATA, 0x8, 1, b"\xffabc"),
    "hpack_bad_index": frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff\xff\xff\xff\x0f"),
    "hpack_cut": frame(h2.HEADERS, h2.END_HEADERS, 1, h2.call_fields()[:-3]),
    "hpack_huge_table": frame(h2.HEADERS, h2.END_HEADERS, 1, b"\x3f\xff\xff\xff\x7f"),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a6_violations_of_the_protocol(survivor: Survivor, name: str) -> None:
    """RFC 9113: a connection error; nothing behind it is looked at."""
    with RawConnection(survivor.server.grpc_port) as connection:
        connection.send_until_closed(VIOLATIONS[name])
        assert connection.goaway_error() not in (None, h2.NO_ERROR)


def test_a6_preface_of_another_protocol(survivor: Survivor) -> None:
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", h2.PREFACE[:-1] + b"x", bytes(24)):
        with socket.create_connection(("127.0.0.1", survivor.server.grpc_port), 15) as client:
            client.sendall(data.ljust(24, b"x"))
            while client.recv(4096):
                pass


def test_a6_metadata_of_1_mib(survivor: Survivor) -> None:
    block = h2.call_fields() + h2.field("big", "x" * MIB)
    with RawConnection(survivor.server.grpc_port) as connection:
        pieces = [block[at : at + 16000] for at in range(0, len(block), 16000)]
        connection.send_until_closed(frame(h2.HEADERS, 0, 1, pieces[0]))
        for piece in pieces[1:]:
            if not connection.send_until_closed(frame(h2.CONTINUATION, 0, 1, piece)):
                break
        assert connection.goaway_error() in (h2.ENHANCE_YOUR_CALM, h2.COMPRESSION_ERROR)


def test_a6_violations_of_a_stream(survivor: Survivor) -> None:
    """Of ModelStreamInfer: messages behind the end, an end within a message, nothing at all."""
    cases = (
        frame(h2.DATA, h2.END_STREAM, 1, message(BODY)[:-1]),
        frame(h2.DATA, h2.END_STREAM, 1),
        frame(h2.DATA, h2.END_STREAM, 1, message(BODY)) + frame(h2.DATA, 0, 1, message(BODY)),
        frame(h2.DATA, 0, 1, message(BODY, flags=7)),
    )
    for data in cases:
        with RawConnection(survivor.server.grpc_port) as connection:
            connection.send(call_head(1, STREAM))
            connection.send_until_closed(data)
            while (found := connection.read()) is not None and found.kind != h2.GOAWAY:
                if found.stream == 1 and (found.kind == h2.RST_STREAM or found.flags & 1):
                    break
