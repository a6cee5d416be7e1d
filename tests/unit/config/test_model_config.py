# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Reading config.pbtxt and JSON configurations (contract 2, REP-2)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf import json_format, text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.config.model_config import MAX_CONFIG_BYTES, parse_json, parse_pbtxt, read_pbtxt
from penstock.errors import InvalidArgError

PATH = "/models/m/config.pbtxt"

BAD_TEXT = [
    ('nam: "m"', '1:1 : Message type "inference.ModelConfig" has no field named "nam"'),
    ('name: "m"\n\nmax_batch_size: "x"', "3:17"),
    ('name: "m', "1:7"),
    ("input {", "1:7"),
    ("input [ { name: 'a' ]", "1:21"),
    ("max_batch_size: 99999999999", "1:17"),
    ("input { data_type: TYPE_FP99 }", "TYPE_FP99"),
    ('name: "a" name: "b"', "1:"),
    ("dynamic_batching {} sequence_batching {}", "1:"),
    ("[x.y] { }", "1:4"),
    ("\x00", "1:1"),
]


@pytest.mark.parametrize(("text", "where"), BAD_TEXT, ids=[text[:20] for text, _ in BAD_TEXT])
def test_bad_text_names_file_and_place(text: str, where: str) -> None:
    with pytest.raises(InvalidArgError) as caught:
        parse_pbtxt(text, PATH)
    message = caught.value.message
    assert message.startswith(f"failed to read text proto from {PATH}: ")
    assert where in message


def test_unreadable_files(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    for content, reason in (
        (None, "No such file or directory"),
        (b'name: "\xff"', "not UTF-8 text at byte 7"),
        (b"#" * (MAX_CONFIG_BYTES + 1), "larger than"),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InvalidArgError, match="^failed to read text proto from") as caught:
            read_pbtxt(path)
        assert f"{path}: {reason}" in caught.value.message


BATCH_SIZE_SET = [
    ("", False),
    ("max_batch_size: 0", True),
    ("max_batch_size:8", True),
    ('name: "a"\nmax_batch_size: 0', True),
    ("# max_batch_size: 0", False),
    ('name: "max_batch_size: 0"', False),
    ("name: 'it\\'s max_batch_size: 0'", False),
    ('parameters { key: "max_batch_size" value { string_value: "1" } }', False),
    ('input [ { name: "a" } ] max_batch_size: 0', True),
    ("input < name: 'max_batch_size' > max_batch_size: 0", True),
    ('name: "}" max_batch_size: 0', True),
]


@pytest.mark.parametrize(("text", "expected"), BATCH_SIZE_SET)
def test_max_batch_size_set(text: str, expected: bool) -> None:
    assert parse_pbtxt(text, PATH).max_batch_size_set is expected


def test_json() -> None:
    parsed = parse_json('{"name": "m", "max_batch_size": 0, "input": [{"dims": [1, "-1"]}]}')
    assert parsed.max_batch_size_set
    assert list(parsed.config.input[0].dims) == [1, -1]
    assert not parse_json("{}").max_batch_size_set
    assert parse_json('{"maxBatchSize": 3}').config.max_batch_size == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"nam": 1}',
        '{"name": 1}',
        '{"name": null, "max_batch_size": 1e400}',
        '{"max_batch_size": 4294967296}',
        '{"input": [{"data_type": "TYPE_X"}]}',
        '{"dynamic_batching": {}, "sequence_batching": {}}',
        '{"parameters": 3}',
        "[" * 100000,
        '{"a":' * 100000,
    ],
    ids=lambda text: text[:24],
)
def test_bad_json(text: str) -> None:
    with pytest.raises(InvalidArgError, match="^Invalid config override: "):
        parse_json(text)


# ---------------------------------------------------------------- against google.protobuf

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INT64 = st.integers(-(2**63), 2**63 - 1)
TENSORS = st.fixed_dictionaries(
    {"name": NAMES, "data_type": st.integers(0, 14), "dims": st.lists(INT64, max_size=4)}
)


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    """Configurations with text, numbers, lists, maps and nested messages."""
    config = ModelConfig(
        name=draw(NAMES),
        max_batch_size=draw(st.integers(-(2**31), 2**31 - 1)),
        input=draw(st.lists(TENSORS, max_size=3)),
        output=draw(st.lists(TENSORS, max_size=3)),
    )
    for key, value in draw(st.dictionaries(NAMES, NAMES, max_size=3)).items():
        config.parameters[key].string_value = value
    if draw(st.booleans()):
        config.dynamic_batching.preferred_batch_size.extend(
            draw(st.lists(st.integers(1, 64), max_size=3))
        )
        config.dynamic_batching.max_queue_delay_microseconds = draw(st.integers(0, 2**64 - 1))
    return config


@settings(max_examples=150, deadline=None)
@given(configs())
def test_text_is_read_as_protobuf_writes_it(config: ModelConfig) -> None:
    text = text_format.MessageToString(config)
    parsed = parse_pbtxt(text, PATH)
    assert parsed.config == config
    assert parsed.max_batch_size_set == (config.max_batch_size != 0)


@settings(max_examples=100, deadline=None)
@given(configs())
def test_json_is_read_as_protobuf_writes_it(config: ModelConfig) -> None:
    text = json_format.MessageToJson(config, preserving_proto_field_name=True)
    parsed = parse_json(text)
    assert parsed.config == config
    assert parsed.max_batch_size_set == ("max_batch_size" in json.loads(text))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='name:input{}[]<>" \\\n#0-1', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_pbtxt(text, PATH)
    except InvalidArgError as error:
        assert PATH in error.message
