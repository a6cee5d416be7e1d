# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The trace settings as clients see and change them (contract 1.12, H-11, G-19, T-4, T-6).

A field is a model's own, or the server's own, or what the command line said, the first that is set.
Whatever changes, counters begin anew for all that the change concerns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.config.trace_settings import OPENTELEMETRY, TraceConfig
from penstock.errors import InvalidArgError, UnsupportedError

#: How a setting comes from a client: texts, None or nothing to have it inherited.
Given = Sequence[str] | None

LEVELS = ("TIMESTAMPS", "TENSORS")
_OFF = "OFF"
_UINT32 = (0, 2**32 - 1)
_INT32 = (-(2**31), 2**31 - 1)
#: name -> field and range
_NUMBERS = {
    "trace_rate": ("rate", _UINT32),
    "trace_count": ("count", _INT32),
    "log_frequency": ("log_frequency", _UINT32),
}


@dataclass(frozen=True)
class TraceValues:
    """The fields that can be changed; None: inherited."""

    levels: frozenset[str] | None = None
    rate: int | None = None
    count: int | None = None
    log_frequency: int | None = None

    def over(self, below: TraceValues) -> TraceValues:
        """These, and where there are none those of `below`."""
        return TraceValues(
            below.levels if self.levels is None else self.levels,
            below.rate if self.rate is None else self.rate,
            below.count if self.count is None else self.count,
            below.log_frequency if self.log_frequency is None else self.log_frequency,
        )


#: Told the settings of a model ("": of all others) when they change; None: as the others'.
Apply = Callable[[str, TraceValues | None], None]


class TraceControl:
    """One server's. All methods belong to one event loop."""

    def __init__(
        self, config: TraceConfig, apply: Apply, *, is_served: Callable[[str], bool]
    ) -> None:
        """`is_served`: whether a model is known. Applies what the command line says."""
        self._config = config
        self._apply = apply
        self._is_served = is_served
        self._start = TraceValues(config.levels, config.rate, config.count, config.log_frequency)
        self._all = TraceValues()
        self._models: dict[str, TraceValues] = {}
        apply("", self._start if self._problem(self._start) == "" else _off(self._start))

    def read(self, model: str) -> dict[str, list[str]]:
        """The fields of the protocol by name, "" for the server's own. Raises InvalidArgError."""
        self._check_model(model)
        values = self._resolve(model)
        levels = [level for level in LEVELS if level in (values.levels or ())]
        fields = {
            "trace_level": levels or [_OFF],
            "trace_rate": [str(values.rate)],
            "trace_count": [str(values.count)],
        }
        config = self._config
        if config.mode == OPENTELEMETRY:
            resource = ",".join(f"{key}={value}" for key, value in config.resource.items())
            fields |= {
                "url": [config.url],
                "resource": [resource],
                "bsp_max_queue_size": [str(config.bsp_max_queue_size)],
                "bsp_schedule_delay": [str(config.bsp_schedule_delay_ms)],
                "bsp_max_export_batch_size": [str(config.bsp_max_export_batch_size)],
            }
        else:
            fields["log_frequency"] = [str(values.log_frequency)]
            fields["trace_file"] = [config.file]
        return fields | {"trace_mode": [config.mode]}

    def update(self, model: str, changes: Mapping[str, Given]) -> dict[str, list[str]]:
        """All of the changes or, when one cannot be, none. Returns read().

        Raises UnsupportedError for what is fixed, InvalidArgError for all else.
        """
        self._check_model(model)
        own = self._models.get(model, TraceValues()) if model else self._all
        for name, given in changes.items():
            own = replace(own, **_parse(name, given))
        resolved = own.over(self._all.over(self._start)) if model else own.over(self._start)
        if problem := self._problem(resolved):
            raise InvalidArgError(f"Attempting to set invalid trace setting :{problem}")
        if not changes:
            return self.read(model)
        if not model:
            self._all = own
        elif own == TraceValues():
            self._models.pop(model, None)
        else:
            self._models[model] = own
        self._tell([model] if model else ["", *self._models])
        return self.read(model)

    def _tell(self, scopes: Sequence[str]) -> None:
        for scope in scopes:
            if scope and scope not in self._models:
                self._apply(scope, None)
                continue
            values = self._resolve(scope)
            self._apply(scope, _off(values) if self._problem(values) else values)

    def _resolve(self, model: str) -> TraceValues:
        return self._models.get(model, TraceValues()).over(self._all.over(self._start))

    def _problem(self, values: TraceValues) -> str:
        """Why these cannot be; tracing that is off can."""
        if not values.levels:
            return ""
        if self._config.mode != OPENTELEMETRY:
            if values.rate == 0:
                return "sample rate must be non-zero"
            if not self._config.file:
                return "trace file name is not given"
        return ""

    def _check_model(self, model: str) -> None:
        if model and not self._is_served(model):
            raise InvalidArgError(f"Request for unknown model : {model}")


def _off(values: TraceValues) -> TraceValues:
    return replace(values, levels=frozenset())


def _parse(name: str, given: Given) -> dict[str, Any]:
    """The field of a setting and its value."""
    if name == "trace_file":
        raise UnsupportedError("trace file location can not be updated through network protocol")
    if name == "trace_level":
        return {"levels": None if not given else _parse_levels(given)}
    if name not in _NUMBERS:
        raise InvalidArgError(f"unknown trace setting '{name}', or one that can not be updated")
    field, (least, most) = _NUMBERS[name]
    if not given:
        return {field: None}
    if len(given) > 1:
        raise InvalidArgError(f"expect only 1 value for '{name}'")
    number = _parse_number(name, given[0], least, most)
    if number < -1:
        raise InvalidArgError(f"Unable to parse '{name}'. Expecting value >= -1, got: {number}")
    return {field: number}


def _parse_levels(given: Sequence[str]) -> frozenset[str]:
    """Unknown names change nothing, as in Triton."""
    if _OFF in given:
        if len(given) > 1:
            raise InvalidArgError("Expect only one trace level 'OFF' is specified")
        return frozenset()
    return frozenset(level for level in given if level in LEVELS)


def _parse_number(name: str, text: str, least: int, most: int) -> int:
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()):
        raise InvalidArgError(f"Unable to parse '{name}', got: {text[:64]}")
    # Python refuses to convert more than 4300 digits; such a number is out of range anyway.
    number = int(text) if len(digits) < 20 else most + 1
    if not least <= number <= most:
        raise InvalidArgError(
            f"Unable to parse '{name}', value is out of range [ {least}, {most} ], got: {text[:64]}"
        )
    return number
