# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Log lines of contract 8.3."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from penstock.telemetry.logging import (
    LOGGER_NAME,
    MAX_MESSAGE_CHARS,
    LineFormatter,
    LogSettings,
    log_block,
    setup_logging,
    verbose_level,
)

LOGGER = logging.getLogger(f"{LOGGER_NAME}.test")


@pytest.fixture(autouse=True)
def restore_logger() -> Iterator[None]:
    logger = logging.getLogger(LOGGER_NAME)
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    for handler in logger.handlers:
        logging.getLogger().removeHandler(handler)
        handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("penstock", level, "/a/b/file.py", 7, message, (), None)
    made.created, made.process = 1_700_000_000.25, 42
    return made


@pytest.mark.parametrize(
    ("level", "letter"),
    [
        (logging.DEBUG, "I"),
        (logging.INFO, "I"),
        (logging.WARNING, "W"),
        (logging.ERROR, "E"),
    ],
)
def test_default_format(level: int, letter: str) -> None:
    line = LineFormatter().format(record("hello", level))
    assert line == f'{letter}1114 22:13:20.250000 42 file.py:7] "hello"'


def test_iso8601_format() -> None:
    line = LineFormatter("ISO8601").format(record("hello"))
    assert line == '2023-11-14T22:13:20Z I 42 file.py:7] "hello"'


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid argument for --log-format, got: fancy"):
        LineFormatter("fancy")


@pytest.mark.parametrize("text", ['x\nE1114 00:00:00.0 1 a:1] "forged"', "a\r\x00\x1b[2J\u2028b"])
def test_a_message_stays_on_its_line(text: str) -> None:
    line = LineFormatter().format(record(text))
    assert line.isprintable()
    assert json.loads(line.split("] ", 1)[1]) == text


def test_escaping_can_be_turned_off() -> None:
    assert LineFormatter(escape=False).format(record('say "hi"')).endswith('] say "hi"')


def test_a_long_message_is_cut() -> None:
    line = LineFormatter().format(record("x" * 10 * MAX_MESSAGE_CHARS))
    assert len(line) < MAX_MESSAGE_CHARS + 100


def test_info_goes_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogSettings(escape=False))
    LOGGER.debug("one")
    LOGGER.info("two")
    LOGGER.warning("three")
    LOGGER.error("four")
    log_block("| table |\n")
    out, err = capsys.readouterr()
    assert [line.split("] ")[-1] for line in out.splitlines()] == ["two", "| table |"]
    assert [line.split("] ")[-1] for line in err.splitlines()] == ["three", "four"]


@pytest.mark.parametrize("off", ["info", "warning", "error"])
def test_a_level_can_be_turned_off(off: str, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogSettings(**{off: False}))
    LOGGER.info("info")
    LOGGER.warning("warning")
    LOGGER.error("error")
    text = "".join(capsys.readouterr())
    assert {level for level in ("info", "warning", "error") if level not in text} == {off}


def test_verbose_levels(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogSettings(verbose=2))
    for level in (1, 2, 3):
        LOGGER.log(verbose_level(level), "level %d", level)
    assert re.findall(r"level \d", capsys.readouterr().out) == ["level 1", "level 2"]


def test_a_file_takes_everything_and_is_appended_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.log"
    file.write_text("before\n")
    setup_logging(LogSettings(file=str(file)))
    LOGGER.info("info")
    LOGGER.error("error")
    log_block("| table |\n")
    lines = file.read_text().splitlines()
    assert lines[0] == "before"
    assert [line.split("] ")[-1] for line in lines[1:]] == ['"info"', '"error"', "| table |"]
    assert capsys.readouterr() == ("", "")


def test_warnings_of_libraries_take_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogSettings())
    library = logging.getLogger("some.library")
    library.info("not asked for")
    library.warning("two\nlines")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("W") and err.endswith('] "two\\nlines"\n')


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        setup_logging(LogSettings(file=str(tmp_path / "none" / "server.log")))
