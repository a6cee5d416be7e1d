# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Reads model configurations: config.pbtxt and JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from google.protobuf import json_format, text_format

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.errors import InvalidArgError

#: A configuration is a page of text; what is larger is not one, and is not read.
MAX_CONFIG_BYTES = 16 * 1024 * 1024

#: what is larger is parsed each time
_MAX_KEPT_CHARS = 16 * 1024

# Lexemes of the text format that matter for finding a field of the outermost message.
_LEXEME = re.compile(
    r"""\#[^\n]* | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | [\[\]{}<>] | [A-Za-z_]\w*""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class ParsedConfig:
    """A configuration as it was written."""

    config: ModelConfig
    #: max_batch_size was written, even as 0 (contract 3.2, stage B)
    max_batch_size_set: bool


def parse_pbtxt(text: str, path: str | Path) -> ParsedConfig:
    """Protobuf text format. Raises InvalidArgError naming `path`, line and column."""
    try:
        parsed = _parsed(text) if len(text) <= _MAX_KEPT_CHARS else _parse(text)
    except (text_format.ParseError, ValueError, RecursionError) as error:
        raise _unreadable(path, str(error)) from None
    config = ModelConfig()
    config.CopyFrom(parsed.config)  # who asked may change it
    return ParsedConfig(config, parsed.max_batch_size_set)


def _parse(text: str) -> ParsedConfig:
    config = ModelConfig()
    text_format.Parse(text, config)
    return ParsedConfig(config, _names_top_level_field(text, "max_batch_size"))


# A load reads its configuration twice, and a reload mostly one that was read before; the parser is
# written in Python and takes as long as all else that is decided about a small model's load.
_parsed = lru_cache(maxsize=256)(_parse)


def read_pbtxt(path: Path) -> ParsedConfig:
    """parse_pbtxt of a file. Raises InvalidArgError also when it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
        if len(data) > MAX_CONFIG_BYTES:
            raise _unreadable(path, f"larger than {MAX_CONFIG_BYTES} bytes")
        return parse_pbtxt(data.decode("utf-8"), path)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"not UTF-8 text at byte {error.start}") from None


def parse_json(text: str) -> ParsedConfig:
    """Protobuf JSON, as the load API gives it (REP-2). Raises InvalidArgError."""
    if len(text) > MAX_CONFIG_BYTES:
        raise InvalidArgError(f"Invalid config override: larger than {MAX_CONFIG_BYTES} bytes")
    try:
        members = json.loads(text)
        if not isinstance(members, dict):
            raise InvalidArgError("Invalid config override: expected a JSON object")
        config = json_format.ParseDict(members, ModelConfig())
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        raise InvalidArgError(f"Invalid config override: {error}") from None
    return ParsedConfig(config, bool({"max_batch_size", "maxBatchSize"} & members.keys()))


def _unreadable(path: str | Path, reason: str) -> InvalidArgError:
    return InvalidArgError(f"failed to read text proto from {path}: {reason}")


def _names_top_level_field(text: str, field: str) -> bool:
    """Whether valid text format sets a field of the outermost message.

    The message itself cannot tell: a number has no presence in proto3, and 0 is the default.
    """
    depth = 0
    for lexeme in _LEXEME.findall(text):
        if lexeme in "[{<":
            depth += 1
        elif lexeme in "]}>":
            depth -= 1
        elif depth == 0 and lexeme == field:
            return True
    return False
