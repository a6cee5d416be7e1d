# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""--trace-config, and the options that it replaces (O-55, O-71, T-8, T-20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

TRITON: Final = "triton"
OPENTELEMETRY: Final = "opentelemetry"

#: A setting of --trace-config: (mode or "", name, value).
Entry = tuple[str, str, str]

_OFF = ("off", "false")
_LEVELS = {
    **dict.fromkeys(("true", "on", "min", "max", "timestamps"), "TIMESTAMPS"),
    "tensors": "TENSORS",
}
_UINT32_MAX = 2**32 - 1
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class TraceConfig:
    """The trace settings of the start."""

    mode: str = TRITON
    #: of TIMESTAMPS and TENSORS; none: tracing is off
    levels: frozenset[str] = frozenset()
    rate: int = 1000
    #: negative: no limit
    count: int = -1
    log_frequency: int = 0
    file: str = ""
    #: of opentelemetry
    url: str = "http://localhost:4318/v1/traces"
    resource: Mapping[str, str] = field(default_factory=dict)
    bsp_max_queue_size: int = 2048
    bsp_schedule_delay_ms: int = 5000
    bsp_max_export_batch_size: int = 512


#: setting of a mode -> field, least and most
_NUMBERS = {
    (TRITON, "log-frequency"): ("log_frequency", 0, _UINT32_MAX),
    (OPENTELEMETRY, "bsp_max_queue_size"): ("bsp_max_queue_size", 1, 1 << 20),
    (OPENTELEMETRY, "bsp_schedule_delay"): ("bsp_schedule_delay_ms", 1, 3_600_000),
    (OPENTELEMETRY, "bsp_max_export_batch_size"): ("bsp_max_export_batch_size", 1, 1 << 16),
    ("", "rate"): ("rate", 0, _UINT32_MAX),
    ("", "count"): ("count", -1, _INT32_MAX),
}
_TEXTS = {(TRITON, "file"): "file", (OPENTELEMETRY, "url"): "url"}
#: OpenTelemetry's own variables, which the command line overrides
_ENVIRONMENT = {
    "OTEL_BSP_MAX_QUEUE_SIZE": "bsp_max_queue_size",
    "OTEL_BSP_SCHEDULE_DELAY": "bsp_schedule_delay",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "bsp_max_export_batch_size",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "url",
}


def trace_config(entries: Sequence[Entry], environment: Mapping[str, str]) -> TraceConfig:
    """What `entries`, in the order given, make of the defaults. Raises ValueError."""
    given = [
        (OPENTELEMETRY, setting, environment[name])
        for name, setting in _ENVIRONMENT.items()
        if environment.get(name)
    ]
    config = TraceConfig(resource=_resource(environment.get("OTEL_RESOURCE_ATTRIBUTES", "")))
    levels: list[str] = []
    for mode, setting, value in (*given, *entries):
        if mode not in ("", TRITON, OPENTELEMETRY):
            raise ValueError(f"unknown trace mode '{mode}', there are {TRITON} and {OPENTELEMETRY}")
        if (mode, setting) == ("", "level"):
            levels.append(value.lower())
        else:
            config = replace(config, **_field(mode, setting, value, config))
    return replace(config, levels=_parse_levels(levels))


def _field(mode: str, setting: str, value: str, config: TraceConfig) -> dict[str, Any]:
    if (mode, setting) in _NUMBERS:
        name, least, most = _NUMBERS[mode, setting]
        return {name: _number(setting, value, least, most)}
    if (mode, setting) == (OPENTELEMETRY, "url") and not value.startswith(("http://", "https://")):
        raise ValueError(f"the trace setting 'url' is an http or https URL. Got {value}")
    if (mode, setting) in _TEXTS:
        return {_TEXTS[mode, setting]: value}
    if (mode, setting) == ("", "mode"):
        if value.lower() not in (TRITON, OPENTELEMETRY):
            raise ValueError(
                f"unknown trace mode '{value}', there are {TRITON} and {OPENTELEMETRY}"
            )
        return {"mode": value.lower()}
    if (mode, setting) == (OPENTELEMETRY, "resource"):
        return {"resource": {**config.resource, **_resource(value)}}
    what = f"the trace mode '{mode}' has" if mode else "there is"
    raise ValueError(f"{what} no setting '{setting}'")


def _parse_levels(words: Sequence[str]) -> frozenset[str]:
    """T-8: several add up, an OFF anywhere turns tracing off."""
    for word in words:
        if word not in _LEVELS and word not in _OFF:
            raise ValueError(f"unknown trace level '{word}'")
    if any(word in _OFF for word in words):
        return frozenset()
    return frozenset(_LEVELS[word] for word in words)


def _number(setting: str, value: str, least: int, most: int) -> int:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        raise ValueError(f"the trace setting '{setting}' is a number. Got {value}")
    number = int(value)
    if not least <= number <= most:
        raise ValueError(f"the trace setting '{setting}' is {least} to {most}. Got {value}")
    return number


def _resource(text: str) -> dict[str, str]:
    """`<key>=<value>[,<key>=<value>...]`."""
    pairs = {}
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"a trace resource is '<key>=<value>'. Got {item}")
        pairs[key.strip()] = value.strip()
    return pairs
