# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The outcome of a comparison as plain data: what --json writes, and tables are made of."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from penstock import __version__
from penstock.comparison.agreement import DECADES, Agreement
from penstock.comparison.models import Model
from penstock.comparison.run import Compared, Comparison
from penstock.comparison.timing import Timing

PERCENTILES = (50, 90, 99)

AGREEMENT_HEADER = (
    *("Model", "Output", "max abs", "mean abs", "max rel", "mean rel"),
    *("cosine", "top-1", "equal", ""),
)
TIMING_HEADER = ("Model", "Platform", "p50 ms", "p90 ms", "p99 ms", "requests/s", "rows/s")


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The report of --json. Numbers that JSON has not are the text "inf"."""
    models = [_model(model) for model in comparison.models]
    for model, timing in zip(models, comparison.timings, strict=False):
        model["timing"] = _timing(timing)
    tolerance = comparison.tolerance
    return {
        "penstock": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "within_tolerance": comparison.within,
        "reference": comparison.reference.label,
        "inputs": {
            "source": comparison.source,
            "requests": comparison.requests,
            "rows": comparison.rows,
        },
        "tolerance": {
            "atol": _number(tolerance.atol),
            "rtol": _number(tolerance.rtol),
            "min_cosine": tolerance.min_cosine,
            "min_top1": tolerance.min_top1,
        },
        "load": {
            "requests": comparison.load.requests,
            "concurrency": comparison.load.concurrency,
        },
        "models": models,
        "agreement": [_compared(each) for each in comparison.compared],
    }


def agreement_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Cells under AGREEMENT_HEADER."""
    return [
        (
            each.model.label,
            _output(agreement),
            *_errors(agreement),
            _cell(agreement.cosine, "{:.6f}"),
            _cell(agreement.top1, "{:.2%}"),
            f"{agreement.equal / agreement.elements:.1%}" if agreement.elements else "-",
            "OUT" if agreement.failures() else "ok",
        )
        for each in comparison.compared
        for agreement in each.outputs
    ]


def timing_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Cells under TIMING_HEADER."""
    return [
        (
            model.label,
            model.platform,
            *(f"{timing.percentile_ms(percent):.3f}" for percent in PERCENTILES),
            f"{timing.requests_per_s:,.1f}",
            f"{timing.rows_per_s:,.1f}",
        )
        for model, timing in zip(comparison.models, comparison.timings, strict=False)
    ]


def summary(comparison: Comparison) -> str:
    """What was compared with what, in one line."""
    requests = f"{comparison.requests} request{'s' * (comparison.requests != 1)}"
    rows = f"{comparison.rows} row{'s' * (comparison.rows != 1)}"
    return (
        f"Reference: {comparison.reference.label} ({comparison.reference.platform}). "
        f"{requests}, {rows}, {comparison.source}."
    )


def remarks(comparison: Comparison) -> list[str]:
    """What failed and what could not be compared, a line each."""
    lines = [
        f"{each.model.label}: {text}" for each in comparison.compared for text in each.failures
    ]
    for each in comparison.compared:
        for name in each.left_out:
            lines.append(f"{each.model.label}: output '{name}' is only in one of both models")
    return lines


def verdict(comparison: Comparison) -> str:
    """In words, with the limits."""
    tolerance = comparison.tolerance
    limits = [f"atol {tolerance.atol:g}", f"rtol {tolerance.rtol:g}"]
    if tolerance.min_cosine is not None:
        limits.append(f"cosine at least {tolerance.min_cosine:g}")
    if tolerance.min_top1 is not None:
        limits.append(f"top-1 at least {tolerance.min_top1:g}")
    state = "Within" if comparison.within else "OUT OF"
    return f"{state} tolerance: {', '.join(limits)}."


def _output(agreement: Agreement) -> str:
    same = agreement.output == agreement.other
    return agreement.output if same else f"{agreement.output} = {agreement.other}"


def _errors(agreement: Agreement) -> list[str]:
    """Strings and answers of different shapes have none."""
    if agreement.cosine is None:
        return ["-"] * 4
    values = (agreement.max_abs, agreement.mean_abs, agreement.max_rel, agreement.mean_rel)
    return ["0" if value == 0 else f"{value:.2e}" for value in values]


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else "inf"


def _model(model: Model) -> dict[str, Any]:
    return {"label": model.label, "name": model.name, "version": model.version} | {
        "platform": model.platform,
        "max_batch_size": model.max_batch_size,
    }


def _timing(timing: Timing) -> dict[str, Any]:
    return {
        "requests": len(timing.latencies_s),
        **{f"p{percent}_ms": timing.percentile_ms(percent) for percent in PERCENTILES},
        "requests_per_s": timing.requests_per_s,
        "rows_per_s": timing.rows_per_s,
    }


def _compared(compared: Compared) -> dict[str, Any]:
    outputs = [
        {
            "output": each.output,
            "other": each.other,
            "within_tolerance": not each.failures(),
            "failures": each.failures(),
            "elements": each.elements,
            "equal": each.equal,
            "outside": each.outside,
            "max_abs": _number(each.max_abs),
            "mean_abs": _number(each.mean_abs),
            "max_rel": _number(each.max_rel),
            "mean_rel": _number(each.mean_rel),
            "cosine": each.cosine,
            "top1": each.top1,
            "abs_error_decades": {"first": DECADES[0], "counts": each.histogram},
        }
        for each in compared.outputs
    ]
    return {
        "model": compared.model.label,
        "within_tolerance": not compared.failures,
        "outputs": outputs,
        "left_out": list(compared.left_out),
    }
