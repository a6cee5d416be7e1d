# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Plots as SVG text. Colours are CSS variables of the page, --series-0 and on, so that they follow
its theme."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

_WIDTH: Final = 640
_LEFT: Final = 150
_RIGHT: Final = 70
_BAR: Final = 22
_GAP: Final = 10
_CURVE_HEIGHT: Final = 260
_POINTS: Final = 200


def bars(title: str, labels: Sequence[str], values: Sequence[float], form: str) -> str:
    """A bar for each label, as long as its value, which `form` writes beside it."""
    most = max(values, default=0.0) or 1.0
    body = []
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        top = place * (_BAR + _GAP)
        length = (_WIDTH - _LEFT - _RIGHT) * value / most
        body.append(_text(_LEFT - 8, top + 15, _short(label), "end"))
        body.append(
            f'<rect x="{_LEFT}" y="{top}" width="{max(length, 1):.1f}" height="{_BAR}" rx="3" '
            f'fill="var(--series-{place % 8})"/>'
        )
        body.append(_text(_LEFT + length + 6, top + 15, form.format(value), "start"))
    return _figure(title, len(labels) * (_BAR + _GAP), body)


def curves(title: str, labels: Sequence[str], samples: Sequence[Sequence[float]], unit: str) -> str:
    """The share of samples up to each value, a curve for each label, over a logarithmic axis."""
    low = min(min(each) for each in samples)
    high = max(max(each) for each in samples)
    low, high = math.log10(max(low, 1e-9)), math.log10(max(high, 1e-9))
    low, high = low - 0.05, max(high, low + 0.1) + 0.05
    right, bottom = _WIDTH - _LEFT, _CURVE_HEIGHT - 30

    def x_of(value: float) -> float:
        return 50 + (right - 50) * (math.log10(max(value, 1e-9)) - low) / (high - low)

    body = _grid(x_of, low, high, bottom, unit)
    for place, (label, each) in enumerate(zip(labels, samples, strict=True)):
        ordered = sorted(each)
        steps = range(min(_POINTS, len(ordered)) + 1)
        shares = [step / (len(steps) - 1) for step in steps]
        points = " ".join(
            f"{x_of(ordered[min(int(share * len(ordered)), len(ordered) - 1)]):.1f},"
            f"{bottom - (bottom - 10) * share:.1f}"
            for share in shares
        )
        colour = f"var(--series-{place % 8})"
        body.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        top = 14 + 18 * place
        body.append(f'<rect x="{right + 8}" y="{top}" width="12" height="12" fill="{colour}"/>')
        body.append(_text(right + 26, top + 10, _short(label), "start", small=True))
    return _figure(title, max(_CURVE_HEIGHT, 14 + 18 * len(labels)), body)


def histogram(title: str, labels: Sequence[str], counts: Sequence[int], series: int) -> str:
    """A column for each label; columns are of logarithmic height, so that few are seen too."""
    width = (_WIDTH - 20) / len(counts)
    most = math.log10(max(counts, default=1) + 1) or 1.0
    height = 150
    body = []
    for place, (label, count) in enumerate(zip(labels, counts, strict=True)):
        tall = (height - 40) * math.log10(count + 1) / most
        left = 10 + place * width
        if count:
            body.append(
                f'<rect x="{left + 2:.1f}" y="{height - 20 - tall:.1f}" width="{width - 4:.1f}" '
                f'height="{tall:.1f}" rx="2" fill="var(--series-{series % 8})"/>'
            )
            body.append(
                _text(left + width / 2, height - 25 - tall, _count(count), "middle", small=True)
            )
        body.append(_text(left + width / 2, height - 5, label, "middle", small=True))
    return _figure(title, height, body)


def _grid(
    x_of: Callable[[float], float], low: float, high: float, bottom: int, unit: str
) -> list[str]:
    """Lines at 1, 2 and 5 of each decade, and at each quarter."""
    lines = []
    for decade in range(math.floor(low), math.ceil(high) + 1):
        for factor in (1, 2, 5):
            value = factor * 10.0**decade
            if low <= math.log10(value) <= high:
                x = x_of(value)
                lines.append(
                    f'<line x1="{x:.1f}" y1="10" x2="{x:.1f}" y2="{bottom}" class="grid"/>'
                )
                lines.append(_text(x, bottom + 16, f"{value:g} {unit}", "middle", small=True))
    for quarter in range(5):
        y = bottom - (bottom - 10) * quarter / 4
        lines.append(
            f'<line x1="50" y1="{y:.1f}" x2="{_WIDTH - _LEFT}" y2="{y:.1f}" class="grid"/>'
        )
        lines.append(_text(44, y + 4, f"{25 * quarter}%", "end", small=True))
    return lines


def _figure(title: str, height: float, body: Sequence[str]) -> str:
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {height}" '
        f'role="img" aria-label="{escape(title)}">{"".join(body)}</svg></figure>'
    )


def _text(x: float, y: float, text: str, anchor: str, *, small: bool = False) -> str:
    size = ' class="small"' if small else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{size}>{escape(text)}</text>'


def _short(label: str) -> str:
    return label if len(label) <= 20 else f"{label[:9]}…{label[-10:]}"


def _count(count: int) -> str:
    for size, letter in ((1_000_000, "M"), (10_000, "k")):
        if count >= size:
            return f"{count / (size if letter == 'M' else 1000):.3g}{letter}"
    return str(count)
