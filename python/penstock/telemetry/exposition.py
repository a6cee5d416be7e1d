# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Prometheus text format 0.0.4 for any prometheus-client registry.

prometheus-client's own writer appends `_total` to the names of counters; Triton's names have no
such suffix (contract 6), and dashboards match on them. So names are written as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})
#: Every whole number below this is exact in a double.
_EXACT_BELOW = 2**53
#: Stands for the labels in a form; what they hold themselves is not looked at again.
_LABELS_GO_HERE = "\0"
_LABEL_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Histograms(Metric):
    """A family of histograms, kept as lines of text.

    A thousand models have 50,000 of them: as samples they would take a second to write. Those with
    the same bounds are made of one form, filled in by two calls each.
    """

    def __init__(self, name: str, documentation: str) -> None:
        super().__init__(name, documentation, "histogram")
        self.lines: list[str] = []
        self._forms: dict[tuple[str, ...], str] = {}

    def add(
        self,
        labels: Mapping[str, str],
        bounds: Sequence[str],
        counts: Iterable[int],
        total: float,
    ) -> None:
        """`bounds`: the upper ones, as text; `counts`: bucket by bucket, one more than bounds."""
        key = tuple(bounds)
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = self._form(key)
        amounts = tuple(accumulate(counts))
        own = _label_text(labels)[1:-1].replace("%", "%%")
        text = form.replace(_LABELS_GO_HERE, own)
        self.lines.append(text % (*amounts, number_text(total), amounts[-1]))

    def _form(self, bounds: Iterable[str]) -> str:
        """All lines of one, without its labels and numbers."""
        buckets = (
            f'{self.name}_bucket{{{_LABELS_GO_HERE},le="{bound}"}} %d\n'
            for bound in (*bounds, "+Inf")
        )
        own = f"{{{_LABELS_GO_HERE}}}"
        return "".join((*buckets, f"{self.name}_sum{own} %s\n", f"{self.name}_count{own} %d\n"))


def render(collector: Collector) -> bytes:
    """All families that have at least one sample, each with its HELP and TYPE line."""
    lines: list[str] = []
    texts = _LabelTexts()
    for family in collector.collect():
        text = family.lines if isinstance(family, Histograms) else ()
        if not family.samples and not text:
            continue
        kind = "untyped" if family.type == "unknown" else family.type
        lines.append(f"# HELP {family.name} {family.documentation.translate(_HELP_ESCAPES)}\n")
        lines.append(f"# TYPE {family.name} {kind}\n")
        lines.extend(
            f"{sample.name}{texts.of(sample)} {number_text(sample.value)}\n"
            for sample in family.samples
        )
        lines.extend(text)
    return "".join(lines).encode()


class _LabelTexts:
    """Labels as they are written. A thousand models share theirs among many families."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[dict[str, str], str]] = {}  # keeps the labels, so their id

    def of(self, sample: Sample) -> str:
        labels = sample.labels
        known = self._texts.get(id(labels))
        if known is None:
            known = self._texts[id(labels)] = (labels, _label_text(labels))
        return known[1]


def _label_text(labels: Mapping[str, str]) -> str:
    parts = [f'{name}="{labels[name].translate(_LABEL_ESCAPES)}"' for name in sorted(labels)]
    return f"{{{','.join(parts)}}}" if parts else ""


def number_text(value: float) -> str:
    """Whole numbers without a point, as Triton writes them."""
    if float(value).is_integer() and abs(value) < _EXACT_BELOW:
        return str(int(value))
    return str(floatToGoString(value))
