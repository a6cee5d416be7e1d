# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The compiled codecs beside Python's json and google.protobuf, over damaged messages (A9).

test_codec_differential.py asks that whatever is accepted here is accepted there, with the same
values. These ask for the other direction as well: what is refused here alone has a reason that
is_explained() knows, and a message that only looks different is answered alike.
"""

from __future__ import annotations

import json
import random
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from echo_codecs import FULL, Echo, grpc_request, json_body
from google.protobuf.message import DecodeError
from penstock._proto.inference_pb2 import ModelInferRequest
from penstock.errors import ServerError
from penstock.types import DataType

CASES = 100_000 if FULL else 5_000


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    served = Echo()
    yield served
    served.close()


# ---------------------------------------------------------------- JSON

TEXTS = {
    DataType.INT64: "[1, -2, [3, 9223372036854775807], 0]",
    DataType.UINT8: "[[0, 255], [7, 8]]",
    DataType.FP64: "[0.1, -1e-7, 2E+3, NaN, -0.0, 17]",
    DataType.BOOL: "[true, [false]]",
    DataType.BYTES: '["a", "\\u00e9\\ud83d\\ude00", "\\n\\"", "\u00fc"]',
}
PIECES = (
    *(",", "[", "]", "[]", "{", "}", '"', "\\", " ", "\t", "\n", "\r", "\x0b", "\x00", "\x7f"),
    *("0", "00", "1", "-", "-0", "+", ".", ".5", "1.", "e5", "E-5", "1e400", "256", "-1", "1.0"),
    *("18446744073709551615", "18446744073709551616", "-9223372036854775809", "0x1", "1_0"),
    *("NaN", "Infinity", "-Infinity", "Inf", "-Inf", "nan", "true", "True", "null", "nul"),
    *("\\ud800", "\\udc00", "\\u12", "\\x41", "\\/", "\u00a0", "\u2028", "/**/", "'", ":", '"a"'),
    *('"data": [1]', "[" * 120, "]" * 120, "\ufeff"),
)

#: JSON has no bound on numbers; here they must fit 64 bits or a double
OVERFLOWING = re.compile(r"\d{19}|e\+?\d{2}", re.I)


class Refused(Exception):
    """The reference's verdict."""


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members have different names."""
    if len(dict(pairs)) != len(pairs):
        raise Refused("twice")
    return dict(pairs)


def flattened(value: Any) -> list[Any]:
    """The elements of nested lists, in their order."""
    if not isinstance(value, list):
        return [value]
    return [element for item in value for element in flattened(item)]


def element_bytes(data_type: DataType, value: Any) -> bytes:
    """One element as the protocol has it; raises Refused for what is none."""
    if data_type is DataType.BYTES and isinstance(value, str):
        try:
            text = value.encode()
        except UnicodeEncodeError:
            raise Refused("surrogate") from None
        return struct.pack("<I", len(text)) + text
    if data_type is DataType.BOOL and isinstance(value, bool):
        return bytes([value])
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("type")
    if data_type is DataType.FP64:
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise Refused("number")
        return struct.pack("<d", value)
    bounds = {DataType.INT64: (-(2**63), 2**63, "<q"), DataType.UINT8: (0, 256, "<B")}
    low, high, code = bounds.get(data_type, (0, 0, ""))
    if not isinstance(value, int) or not low <= value < high:
        raise Refused("type")
    return struct.pack(code, value)


def read_by_python(data_type: DataType, body: bytes) -> bytes:
    """The tensor of a request, by Python's json; raises Refused."""
    try:
        request = json.loads(body.decode(), object_pairs_hook=once)
        data = request["inputs"][0]["data"]
    except (ValueError, RecursionError, KeyError, IndexError, TypeError):
        raise Refused("syntax") from None
    if not isinstance(data, list):
        raise Refused("type")
    elements = flattened(data)
    if len(elements) != request["inputs"][0]["shape"][0]:
        raise Refused("count")
    return b"".join(element_bytes(data_type, element) for element in elements)


def read_here(echo: Echo, data_type: DataType, body: bytes) -> bytes:
    """The same, by the compiled codec."""
    try:
        answer, length = echo.http(data_type, body, None)
    except ServerError as error:
        raise Refused(error.message) from None
    return answer[length:] if length >= 0 else b""


def verdict(read: Callable[..., bytes], *arguments: object) -> bytes | str:
    """The tensor, or why there is none."""
    try:
        return read(*arguments)
    except Refused as refused:
        return str(refused)


def damaged_text(rng: random.Random, text: str) -> str:
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(PIECES) + text[at + rng.choice((0, 0, 0, 1, 2)) :]
    return text


def is_explained(data_type: DataType, text: str, here: bytes | str, python: bytes | str) -> bool:
    """Whether a difference is one of those that are meant."""
    if isinstance(here, bytes):  # taken here alone
        return python == "syntax" and "Inf" in text and data_type is DataType.FP64
    words = {
        "a number is malformed, or too large": OVERFLOWING,
        "nesting depth": re.compile(r"\[{99}"),  # H-26
    }
    return any(word in here and found.search(text) for word, found in words.items())


def test_json_is_read_as_python_reads_it(echo: Echo) -> None:
    rng = random.Random(20260101)
    verdicts: Counter[tuple[bool, bool]] = Counter()
    for _ in range(CASES):
        data_type = rng.choice(list(TEXTS))
        text = damaged_text(rng, TEXTS[data_type])
        try:
            count = len(flattened(json.loads(text)))
        except (ValueError, RecursionError):
            count = 3
        body = json_body(data_type, count, text, binary=True)
        here = verdict(read_here, echo, data_type, body)
        python = verdict(read_by_python, data_type, body)
        verdicts[isinstance(here, bytes), isinstance(python, bytes)] += 1
        if isinstance(here, bytes) and isinstance(python, bytes):
            assert same_values(data_type, here, python), text
        elif isinstance(here, bytes) != isinstance(python, bytes):
            assert is_explained(data_type, text, here, python), f"{text!r}: {here!r}, {python!r}"
    # Each verdict is seen often, or the comparison says nothing.
    assert min(verdicts[True, True], verdicts[False, False]) > CASES / 10


def same_values(data_type: DataType, left: bytes, right: bytes) -> bool:
    """Bit for bit, but for what a NaN carries."""
    if data_type is not DataType.FP64:
        return left == right
    return np.array_equal(np.frombuffer(left), np.frombuffer(right), equal_nan=True) and (
        np.signbit(np.frombuffer(left)).tobytes() == np.signbit(np.frombuffer(right)).tobytes()
    )


# ---------------------------------------------------------------- protobuf

REFUSED_ALONE = (
    # Groups, and field numbers that the language forbids.
    "malformed ModelInferRequest",
    # A parameter without a value: google.protobuf drops it, when it has an unknown field as well.
    "invalid value type for",
)


def varint(value: int, size: int = 0) -> bytes:
    """As protobuf writes it, or longer than it needs to be."""
    out = bytearray()
    while value > 0x7F or len(out) + 1 < size:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def fields_of(message: bytes) -> list[tuple[int, bytes]]:
    """The top-level fields of a valid message: tag, and what stands behind it."""
    fields, at = [], 0

    def read_varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = read_varint()
        start = at
        assert tag & 7 == 2, "all fields of the request are length-delimited"
        size = read_varint()
        at += size
        fields.append((tag, message[start:at]))
    return fields


def written_otherwise(rng: random.Random, message: bytes) -> bytes:
    """The same message in other bytes: longer varints, another order, unknown fields."""
    fields = []
    for tag, rest in fields_of(message):
        if tag >> 3 == 5 and rng.random() < 0.7:  # an input: the same within
            inner_at = len(rest) - len(_payload(rest))
            inner = _with_unknown_fields(rng, rest[inner_at:])
            rest = varint(len(inner)) + inner
        size = len(_payload(rest))
        rest = varint(size, rng.choice((0, 0, 3, 5))) + _payload(rest)
        fields.append(varint(tag, rng.choice((0, 0, 2))) + rest)
    # Repeated fields keep their order among each other; there is one of each here.
    rng.shuffle(fields)
    return _with_unknown_fields(rng, b"".join(fields[:1])) + b"".join(fields[1:])


def _payload(rest: bytes) -> bytes:
    at = next(i for i, byte in enumerate(rest) if byte < 0x80) + 1
    return rest[at:]


def _with_unknown_fields(rng: random.Random, message: bytes) -> bytes:
    number = rng.choice((100, 2000, 18999, 20000, 2**29 - 1)) << 3
    unknown = rng.choice(
        (
            varint(number | 0) + varint(rng.randrange(2**64)),
            varint(number | 1) + rng.randbytes(8),
            varint(number | 2) + b"\x03abc",
            varint(number | 5) + rng.randbytes(4),
            b"",
        )
    )
    return rng.choice((unknown + message, message + unknown))


def damaged_bytes(rng: random.Random, message: bytes) -> bytes:
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(message))
        kind = rng.randrange(4)
        if kind == 0:
            message = (
                message[:at] + bytes([message[at] ^ 1 << rng.randrange(8)]) + message[at + 1 :]
            )
        elif kind == 1:
            message = message[:at] + rng.randbytes(rng.randrange(1, 4)) + message[at:]
        elif kind == 2:
            message = message[:at] + message[at + rng.randrange(1, 4) :]
        else:
            message = message[:at] + message[rng.randrange(len(message)) :]
        message = message or b"\0"
    return message


def example(rng: random.Random) -> tuple[ModelInferRequest, bytes]:
    """A request of INT32 values, and these."""
    values = [rng.randrange(-(2**31), 2**31) for _ in range(rng.randrange(4))]
    request = grpc_request(DataType.INT32, len(values))
    request.id = "id-1"
    request.parameters["custom"].string_param = "value"
    if rng.random() < 0.5:
        request.inputs[0].contents.SetInParent()
        request.inputs[0].contents.int_contents.extend(values)
    else:
        request.raw_input_contents.append(np.array(values, np.int32).tobytes())
    return request, np.array(values, np.int32).tobytes()


def test_a_message_in_other_bytes_is_answered_alike(echo: Echo) -> None:
    rng = random.Random(20260102)
    for _ in range(CASES):
        request, values = example(rng)
        message = written_otherwise(rng, request.SerializeToString())
        assert ModelInferRequest.FromString(message).inputs[0].name == "INPUT0"
        answer = echo.grpc(message)
        assert answer.id == "id-1"
        assert answer.raw_output_contents[0] == values


def test_a_damaged_message_is_refused_or_read_as_google_reads_it(echo: Echo) -> None:
    rng = random.Random(20260103)
    accepted = 0
    for _ in range(CASES):
        request, _ = example(rng)
        damaged = damaged_bytes(rng, request.SerializeToString())
        try:
            read: ModelInferRequest | None = ModelInferRequest.FromString(damaged)
        except DecodeError:
            read = None
        try:
            answer = echo.grpc(damaged)
        except ServerError as error:
            if read is not None:
                read.DiscardUnknownFields()
                assert read != request or error.message.startswith(REFUSED_ALONE), (
                    f"{damaged!r}: {error.message}"
                )
            continue
        assert read is not None, f"accepted what google.protobuf refuses: {damaged!r}"
        accepted += 1
        contents = np.array(read.inputs[0].contents.int_contents, np.int32).tobytes()
        wanted = read.raw_input_contents[0] if read.raw_input_contents else contents
        assert answer.id == read.id
        assert answer.raw_output_contents[0] == wanted
    assert accepted > CASES / 50
