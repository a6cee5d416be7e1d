# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Turns the text of a command line value into the value, or says what is wrong with it.

Every parser takes the text and raises ValueError with the message of contract section 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from penstock.devices.host_policy import parse_cores

_INT32_MAX = 2**31 - 1
_UINT32_MAX = 2**32 - 1
_INT64_MAX = 2**63 - 1
_TRUE = frozenset({"true", "on", "1"})
_FALSE = frozenset({"false", "off", "0"})


def parse_text(value: str) -> str:
    """Any text."""
    return value


def parse_bool(value: str) -> bool:
    """true/on/1/false/off/0, in any case."""
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ValueError(f"invalid value for bool option: {value}")


def parse_not(value: str) -> bool:
    """The opposite of a bool."""
    return not parse_bool(value)


def parse_int(low: int = 0, high: int = _INT32_MAX) -> Callable[[str], int]:
    """An integer within [low, high]."""

    def parse(value: str) -> int:
        if re.fullmatch(r"\s*[+-]?[0-9]+\s*", value) is None:
            raise ValueError(f"Invalid option value. Got {value}")
        # Python refuses to convert more than 4300 digits; such a number is out of bound anyway.
        number = int(value) if len(value) < 100 else high + 1
        if not low <= number <= high:
            raise ValueError(f"Provided option value is out of bound. Got {value}")
        return number

    return parse


parse_count = parse_int()
parse_positive = parse_int(low=1)
parse_bytes = parse_int(high=_INT64_MAX)
parse_port = parse_int(high=65535)
parse_signed = parse_int(low=-_INT32_MAX - 1)


def parse_input_size(value: str) -> int:
    """--http-max-input-size: bytes, more than 0."""
    size = parse_int(low=-_INT64_MAX - 1, high=_INT64_MAX)(value)
    if size <= 0:
        raise ValueError("Error: --http-max-input-size must be greater than 0.")
    return size


def parse_verbose(value: str) -> int:
    """--log-verbose: a level, or a bool for level 1 or 0."""
    if value.lower() in _TRUE | _FALSE:
        return int(parse_bool(value))
    return parse_count(value)


def parse_infer_threads(value: str) -> int:
    """--grpc-infer-thread-count."""
    count = parse_signed(value)
    if not 2 <= count <= 128:
        raise ValueError(
            "invalid argument for --grpc_infer_thread_count. Must be in the range 2 to 128."
        )
    return count


def parse_float(value: str) -> float:
    """A finite number that is not negative."""
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", value) is None or len(value) > 40:
        raise ValueError(f"Invalid option value. Got {value}")
    return float(value)


def parse_config_name(value: str) -> str:
    """--model-config-name: a file name without folder (R-3)."""
    if not value:
        raise ValueError("Error: empty argument for --model-config-name")
    if "/" in value or value in {".", ".."} or "\0" in value:
        raise ValueError(f"Invalid option value. Got {value}")
    return value


def parse_choice(
    option: str, *choices: str, refused: Mapping[str, str] | None = None
) -> Callable[[str], str]:
    """One of a few words in any case; `refused` are known words with the reason against them."""
    words = {choice.lower(): choice for choice in choices}

    def parse(value: str) -> str:
        reason = (refused or {}).get(value.lower())
        if reason is not None:
            raise ValueError(reason)
        try:
            return words[value.lower()]
        except KeyError:
            raise ValueError(f"invalid argument for --{option}") from None

    return parse


def parse_setting(option: str, *, named: str) -> Callable[[str], tuple[str, str, str]]:
    """`<named>,<setting>=<value>` or `<setting>=<value>`: (name or "", setting, value)."""

    def parse(value: str) -> tuple[str, str, str]:
        head, equals, setting_value = value.partition("=")
        name, comma, setting = head.rpartition(",")
        if not equals or not setting or (comma and not name):
            raise ValueError(
                f"--{option} option format is '<{named}>,<setting>=<value>'. Got {value}"
            )
        return name, setting, setting_value

    return parse


def parse_pair(option: str, form: str) -> Callable[[str], tuple[str, str]]:
    """Two texts with a colon between, as `<device>:<value>`; `form` is shown in the error."""

    def parse(value: str) -> tuple[str, str]:
        left, colon, right = value.partition(":")
        if not colon or not left or not right:
            raise ValueError(f"--{option} option format is '{form}'. Got {value}")
        return left, right

    return parse


def parse_resource(value: str) -> tuple[str, int, int | None]:
    """--rate-limit-resource: name, count, device (O-62).

    Without a device it is of each device, or of the server.
    """
    found = re.fullmatch(r"([^:]+):([0-9]{1,10})(?::([0-9]{1,9}))?", value, re.ASCII)
    if found is None or int(found[2]) > _UINT32_MAX:
        raise ValueError(
            "--rate-limit-resource option format is '<resource_name>:<count>:<device>' or "
            f"'<resource_name>:<count>'. Got {value}"
        )
    return found[1], int(found[2]), None if found[3] is None else int(found[3])


def parse_device_bytes(option: str) -> Callable[[str], tuple[int, int]]:
    """`<device>:<bytes>`."""
    pair = parse_pair(option, "<device>:<bytes>")

    def parse(value: str) -> tuple[int, int]:
        device, size = pair(value)
        return parse_count(device), parse_bytes(size)

    return parse


def parse_device_share(option: str) -> Callable[[str], tuple[int, float]]:
    """`<device>:<fraction>`, a share from 0 to 1."""
    pair = parse_pair(option, "<device>:<fraction>")

    def parse(value: str) -> tuple[int, float]:
        device, share = pair(value)
        fraction = parse_float(share)
        if fraction > 1:
            raise ValueError(f"--{option} expects a fraction from 0 to 1. Got {value}")
        return parse_count(device), fraction

    return parse


def parse_host_policy(value: str) -> tuple[str, str, str]:
    """--host-policy: `<policy>,<setting>=<value>` with one of two settings (O-68, C-14)."""
    name, setting, setting_value = parse_setting("host-policy", named="policy_name")(value)
    if setting not in {"numa-node", "cpu-cores"}:
        raise ValueError(
            f"Unsupported host policy setting '{setting}' is specified, supported settings are "
            "'numa-node', 'cpu-cores'"
        )
    if not name:
        raise ValueError(
            "No host policy specified. --host-policy option format is "
            f"<policy_name>,<setting>=<value>. Got {value}"
        )
    if setting == "cpu-cores":
        parse_cores(setting_value)
    elif not (setting_value.isascii() and setting_value.isdecimal()):
        raise ValueError(f"numa-node must be the number of a NUMA node. Got {value}")
    return name, setting, setting_value


def parse_cache_config(value: str) -> tuple[str, str, str]:
    """--cache-config: the name of the cache is required (O-59)."""
    name, setting, setting_value = parse_setting("cache-config", named="cache_name")(value)
    if not name:
        raise ValueError(
            "No cache specified. --cache-config option format is "
            f"<cache name>,<setting>=<value>. Got {value}"
        )
    return name, setting, setting_value
