# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The text of --help."""

from __future__ import annotations

import textwrap

from penstock.config.option_table import GROUPS
from penstock.config.options import Option, Status
from penstock.config.settings import Profile, Settings, default_settings

_WIDTH = 92
_INDENT = " " * 8


def usage(profile: Profile) -> str:
    """Every option with its form, meaning and default, group by group."""
    defaults = default_settings(profile)
    lines = [f"Usage: {profile.value} --model-repository=<folder> [options]"]
    for group in GROUPS:
        lines += ["", f"{group.title}:"]
        for option in group.options:
            lines += _describe(option, defaults)
    return "\n".join(lines) + "\n"


def _describe(option: Option, defaults: Settings) -> list[str]:
    names = ", ".join(f"--{name}" for name in (option.name, *option.aliases))
    head = names if option.flag_value is not None else f"{names} {option.form}"
    notes = [option.help]
    default = _default(option, defaults)
    if default:
        notes.append(f"Default: {default}.")
    if option.deprecated:
        notes.append(f"Deprecated: {option.deprecated}.")
    if option.status is Status.NO_EFFECT:
        notes.append(f"Accepted, no effect: {option.reason}.")
    if option.status is Status.REFUSED:
        notes.append(f"Not available: {option.reason}.")
    text = textwrap.wrap(" ".join(notes), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return [f"  {head}", *text]


def _default(option: Option, defaults: Settings) -> str:
    if not option.field or option.flag_value is not None or option.deprecated:
        return option.default
    value = getattr(defaults, option.field)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value in ("", ()) else str(value)
