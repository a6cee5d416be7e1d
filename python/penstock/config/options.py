# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The form of one command line option; the table of all of them is in option_table.py."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.config.option_values import parse_text


class Status(enum.Enum):
    """What the server does with an option."""

    HONOURED = "honoured"
    NO_EFFECT = "accepted, no effect"
    REFUSED = "not available"


@dataclass(frozen=True)
class Option:
    """One option of contract section 7, or of our own.

    The default of an honoured option is that of its field in Settings; `default` is shown for the
    others. A refused option is accepted with one of the `harmless` values, which ask for nothing.
    """

    name: str
    help: str
    parse: Callable[[str], Any] = parse_text
    #: attribute of Settings that takes the value
    field: str = ""
    status: Status = Status.HONOURED
    #: why an option is refused, or why it has no effect
    reason: str = ""
    harmless: tuple[Any, ...] = ()
    default: str = ""
    form: str = "<value>"
    repeats: bool = False
    #: takes no argument, and stands for this text
    flag_value: str | None = None
    aliases: tuple[str, ...] = ()
    #: says on stderr what to use instead
    deprecated: str = ""
    #: the contract's number
    source: str = ""


@dataclass(frozen=True)
class Group:
    """A heading of --help with its options."""

    title: str
    options: tuple[Option, ...]


def no_effect(name: str, help: str, reason: str, **kwargs: Any) -> Option:
    """An option that is parsed and otherwise ignored: nothing that a client sees depends on it."""
    return Option(name, help, status=Status.NO_EFFECT, reason=reason, **kwargs)


def refused(name: str, help: str, reason: str, **kwargs: Any) -> Option:
    """An option whose feature is not there: ignoring it would be wrong, so the server says so."""
    return Option(name, help, status=Status.REFUSED, reason=reason, **kwargs)
