# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""reliability.md A2: the corpus of wrong framing, each case with a name and the right answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raw_http import INFER

_POST = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n"
_CHUNKED = f"{_POST}Transfer-Encoding: chunked\r\n\r\n"
_INDEX = "/v2/repository/index"


@dataclass(frozen=True)
class FramingCase:
    """A message that must be answered `status`, and whose connection must end."""

    name: str
    data: bytes
    status: int = 400


_LENGTHS = {
    "plus": "+5",
    "minus": "-5",
    "two_minus": "--5",
    "minus_behind": "5-",
    "hex": "0x5",
    "octal_prefix": "0o5",
    "underscore": "5_0",
    "list": "5,5",
    "list_with_blank": "5, 5",
    "list_that_ends": "5 ,",
    "list_that_begins": ", 5",
    "point": "5.0",
    "exponent": "5e0",
    "word": "five",
    "infinity": "inf",
    "two_to_the_63": "9223372036854775808",
    "wraps_to_five": "18446744073709551621",
    "semicolon": "5;",
    "bar": "5|5",
    "arabic_digit": "٥",
    "full_width_digit": "５",
    "empty": "",
    "blank_inside": "5 5",
    "vertical_tab": "5\x0b",
    "nul": "5\x00",
    "form_feed": "5\x0c",
    "control_before": "\x1f5",
    "quoted": '"5"',
}
_CODINGS = {
    "chunked_identity": "chunked, identity",
    "identity_chunked": "identity, chunked",
    "gzip_chunked": "gzip, chunked",
    "chunked_chunked": "chunked, chunked",
    "xchunked": "xchunked",
    "chunkedx": "chunkedx",
    "identity": "identity",
    "gzip": "gzip",
    "empty": "",
    "comma_before": ",chunked",
    "comma_behind": "chunked,",
    "parameter": "chunked;q=1",
    "quoted": '"chunked"',
    "vertical_tab": "chunked\x0b",
    "vertical_tab_before": "\x0bchunked",
    "nul": "chunked\x00",
    "no_break_space": "\xa0chunked",
    "blank_inside": "chun ked",
    "accent": "chunk\xe9d",
}
_CHUNK_SIZES = {
    "plus": "+2",
    "minus": "-2",
    "hex_prefix": "0x2",
    "underscore": "2_0",
    "no_digit": "g",
    "digit_then_letter": "2g",
    "two_to_the_63": "8000000000000000",
    "wraps_to_two": "10000000000000002",
    "too_many_digits": "00000000000000002",
    "extension_alone": ";a",
    "empty": "",
    "blank_before": " 2",
    "blank_behind": "2 ",
    "tab_behind": "2\t",
    "blank_before_extension": "2 ;a",
    "carriage_return_in_extension": "2;a\rb",
    "nul_in_extension": "2;\x00",
    "vertical_tab": "2\x0b",
    "list": "2,2",
    "arabic_digit": "٢",
}
_FIELDS = {
    "blank_before_colon": "A : b",
    "tab_before_colon": "A\t: b",
    "blank_in_name": "A B: c",
    "empty_name": ": b",
    "no_colon": "A",
    "nul_in_name": "A\x00: b",
    "nul_in_value": "A: b\x00c",
    "vertical_tab_in_value": "A: b\x0bc",
    "delete_in_value": "A: \x7f",
    "escape_in_value": "A: \x1b[0m",
    "carriage_return_in_value": "A: b\rc",
    "carriage_return_at_end": "A: b\r",
    "bracket_in_name": "A(: c",
    "slash_in_name": "A/B: c",
    "quotes_around_name": '"A": c',
    "fold_with_blank": "A: b\r\n c",
    "fold_with_tab": "A: b\r\n\tc",
    "blank_before_name": " A: b",
    "accent_in_name": "\xe9: b",
    "second_host": "Host: y",
    "second_host_lower": "host: x",
    "second_authorization": "Authorization: a\r\nAuthorization: a",
    "second_header_length": "Inference-Header-Content-Length: 1\r\n"
    "Inference-Header-Content-Length: 2",
    "second_content_encoding": "Content-Encoding: gzip\r\nContent-Encoding: identity",
    "line_feed_before_length": "A: b\nContent-Length: 0",
    "line_feed_at_end": "A: b\n",
    "blank_line": "   ",
}
_LINES = {
    "no_version": "GET /v2",
    "two_blanks": "GET  /v2 HTTP/1.1",
    "two_blanks_before_version": "GET /v2  HTTP/1.1",
    "tabs": "GET\t/v2\tHTTP/1.1",
    "blank_behind": "GET /v2 HTTP/1.1 ",
    "blank_before": " GET /v2 HTTP/1.1",
    "version_1_10": "GET /v2 HTTP/1.10",
    "version_11": "GET /v2 HTTP/11",
    "lower_case_version": "GET /v2 http/1.1",
    "comma_version": "GET /v2 HTTP/1,1",
    "other_protocol": "GET /v2 ICY/1.1",
    "relative_target": "GET v2 HTTP/1.1",
    "asterisk": "GET * HTTP/1.1",
    "authority_form": "GET host:80 HTTP/1.1",
    "connect": "CONNECT host:80 HTTP/1.1",
    "other_scheme": "GET ftp://host/v2 HTTP/1.1",
    "no_host_in_target": "GET http:///v2 HTTP/1.1",
    "fragment": "GET /v2#x HTTP/1.1",
    "nul_in_target": "GET /v\x002 HTTP/1.1",
    "delete_in_target": "GET /v\x7f2 HTTP/1.1",
    "blank_in_target": "GET /v 2 HTTP/1.1",
    "bracket_in_method": "G(T /v2 HTTP/1.1",
    "nul_in_method": "G\x00T /v2 HTTP/1.1",
    "colon_in_method": "GE:T /v2 HTTP/1.1",
    "tls_hello": "\x16\x03\x01\x02\x00",
}
_OTHER_VERSIONS = {
    "http_2_0": "GET /v2 HTTP/2.0",
    "http_0_9": "GET /v2 HTTP/0.9",
    "http_2_preface": "PRI * HTTP/2.0",
}
#: Of a POST to `INFER`, and again of one that is passed on to the control plane.
_MESSAGES = {
    "length_and_chunked": f"{_POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    "0\r\n\r\n",
    "chunked_and_length": f"{_POST}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
    "0\r\n\r\n",
    "two_equal_lengths": f"{_POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}",
    "two_lengths": f"{_POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}",
    "two_lengths_of_other_case": f"{_POST}Content-Length: 2\r\ncontent-length: 2\r\n\r\n{{}}",
    "length_blank_colon": f"{_POST}Content-Length : 2\r\n\r\n{{}}",
    "coding_blank_colon": f"{_POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "two_codings": f"{_POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
    "0\r\n\r\n",
    "folded_coding": f"{_POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "line_feed_in_coding": f"{_POST}Transfer-Encoding:\nchunked\r\n\r\n0\r\n\r\n",
    "chunked_in_1_0": f"POST {INFER} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no_host": f"POST {INFER} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}",
    "line_feeds_only": f"{_POST}\n".replace("\r\n", "\n"),
    "chunk_ends_with_line_feed": f"{_CHUNKED}2\r\n{{}}\n0\r\n\r\n",
    "chunk_ends_with_carriage_return": f"{_CHUNKED}2\r\n{{}}\r0\r\n\r\n",
    "chunk_longer_than_said": f"{_CHUNKED}2\r\n{{}}}}\r\n0\r\n\r\n",
    "chunk_size_ends_with_line_feed": f"{_CHUNKED}2\n{{}}\r\n0\r\n\r\n",
    "end_with_line_feed": f"{_CHUNKED}2\r\n{{}}\r\n0\r\n\n",
    "trailer_ends_with_line_feed": f"{_CHUNKED}2\r\n{{}}\r\n0\r\nA: b\n\r\n",
    "trailer_blank_colon": f"{_CHUNKED}2\r\n{{}}\r\n0\r\nA : b\r\n\r\n",
    "trailer_folded": f"{_CHUNKED}2\r\n{{}}\r\n0\r\nA: b\r\n c\r\n\r\n",
    "trailer_is_a_request": f"{_CHUNKED}2\r\n{{}}\r\n0\r\nGET /v2 HTTP/1.1\r\n\r\n",
    "trailer_with_nul": f"{_CHUNKED}2\r\n{{}}\r\n0\r\nA: \x00\r\n\r\n",
    "trailer_without_name": f"{_CHUNKED}2\r\n{{}}\r\n0\r\n: b\r\n\r\n",
}
_BEFORE = {
    "two_empty_lines": "\r\n\r\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
    "line_feed": "\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
}


def _cases(kind: str, texts: Mapping[str, str], status: int = 400) -> list[FramingCase]:
    return [FramingCase(f"{kind}_{name}", text.encode(), status) for name, text in texts.items()]


def _around(before: str, values: Mapping[str, str], behind: str) -> dict[str, str]:
    return {name: f"{before}{value}{behind}" for name, value in values.items()}


FRAMING_CASES: tuple[FramingCase, ...] = (
    *_cases("length", _around(f"{_POST}Content-Length: ", _LENGTHS, "\r\n\r\nhello")),
    *_cases("coding", _around(f"{_POST}Transfer-Encoding: ", _CODINGS, "\r\n\r\n0\r\n\r\n")),
    *_cases("chunk_size", _around(_CHUNKED, _CHUNK_SIZES, "\r\n{}\r\n0\r\n\r\n")),
    *_cases("field", _around("GET /v2 HTTP/1.1\r\nHost: x\r\n", _FIELDS, "\r\n\r\n")),
    *_cases("line", _around("", _LINES, "\r\nHost: x\r\n\r\n")),
    *_cases("version", _around("", _OTHER_VERSIONS, "\r\nHost: x\r\n\r\n"), 505),
    *_cases("before", _BEFORE),
    *_cases("message", _MESSAGES),
    *_cases("passed_on", {k: v.replace(INFER, _INDEX) for k, v in _MESSAGES.items()}),
)
