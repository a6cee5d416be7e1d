# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From --metrics-config to which latency metrics the server keeps (contract 6, O-54)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: The one family that a model's configuration can change (2.1, model_metrics).
FIRST_RESPONSE_HISTOGRAM: Final = "nv_inference_first_response_histogram_ms"
#: A smaller error would cost more memory than it is worth.
MIN_ERROR: Final = 0.0005
_MAX_QUANTILES = 64
_NAMES = ("counter_latencies", "histogram_latencies", "summary_latencies", "summary_quantiles")
_WORDS = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


@dataclass(frozen=True)
class MetricsSettings:
    """Which of Triton's latency metrics are kept. Our own histograms always are."""

    counter_latencies: bool = True
    histogram_latencies: bool = False
    summary_latencies: bool = False
    #: (quantile, how far its rank may be off), both as parts of all observations
    summary_quantiles: tuple[tuple[float, float], ...] = (
        (0.5, 0.05),
        (0.9, 0.01),
        (0.95, 0.001),
        (0.99, 0.001),
        (0.999, 0.001),
    )

    @property
    def summary_error(self) -> float:
        """The smallest error asked for, which all quantiles get; 0 without summaries."""
        if not self.summary_latencies:
            return 0.0
        return min(error for _, error in self.summary_quantiles)


#: What a server keeps that is told nothing.
DEFAULT_METRICS: Final = MetricsSettings()


def metrics_settings(config: Sequence[tuple[str, str, str]]) -> MetricsSettings:
    """`config`: ("", setting, value) in the order given, the last one counts.

    Raises ValueError with what is wrong.
    """
    values: dict[str, bool | tuple[tuple[float, float], ...]] = {}
    for name, setting, value in config:
        if name or setting not in _NAMES:
            full = f"{name},{setting}" if name else setting
            raise ValueError(f"there is no setting '{full}', only {', '.join(_NAMES)}")
        values[setting] = _quantiles(value) if setting == _NAMES[-1] else _bool(setting, value)
    return MetricsSettings(**values)  # type: ignore[arg-type]


def _bool(setting: str, value: str) -> bool:
    try:
        return _WORDS[value.lower()]
    except KeyError:
        raise ValueError(f"'{setting}' is true or false. Got {value}") from None


def _quantiles(text: str) -> tuple[tuple[float, float], ...]:
    """`<quantile>:<error>[,<quantile>:<error>...]`."""
    pairs = []
    for part in text.split(",")[: _MAX_QUANTILES + 1]:
        quantile, colon, error = part.partition(":")
        pair = (_number(quantile), _number(error)) if colon else None
        if pair is None or not (0 <= pair[0] <= 1 and MIN_ERROR <= pair[1] <= 1):
            raise ValueError(
                "'summary_quantiles' is a list of <quantile>:<error>, quantiles between 0 and 1, "
                f"errors between {MIN_ERROR} and 1. Got {part[:40]}"
            )
        pairs.append(pair)
    if len(pairs) > _MAX_QUANTILES:
        raise ValueError(f"'summary_quantiles' has at most {_MAX_QUANTILES} quantiles")
    return tuple(sorted(dict(pairs).items()))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
