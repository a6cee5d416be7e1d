# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The report as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from penstock import __version__
from penstock.comparison.agreement import DECADES
from penstock.comparison.plots import bars, curves, histogram
from penstock.comparison.report import (
    AGREEMENT_HEADER,
    TIMING_HEADER,
    agreement_rows,
    remarks,
    summary,
    timing_rows,
    verdict,
)
from penstock.comparison.run import Comparison

_STYLE: Final = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f5f6f8; --line: #d9dce2; --text: #1c2026; --quiet: #5c6470;
  --good: #1a7f4b; --bad: #c0272d;
  --series-0: #3366cc; --series-1: #d9822b; --series-2: #2a9d6f; --series-3: #b0408f;
  --series-4: #7a5cc9; --series-5: #3aa3b8; --series-6: #a3812f; --series-7: #c94f4f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --panel: #1d2128; --line: #363c47; --text: #e6e8ec; --quiet: #9aa3b0;
    --good: #4cc38a; --bad: #ff6b6b;
    --series-0: #7aa2f7; --series-1: #f0a35e; --series-2: #5fcf9f; --series-3: #e07fc4;
    --series-4: #ab90f0; --series-5: #6cc8dc; --series-6: #d4b45f; --series-7: #f08a8a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1100px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; }
p { margin: 4px 0; } .quiet { color: var(--quiet); }
.verdict { display: inline-block; margin: 12px 0; padding: 6px 14px; border-radius: 6px;
  color: var(--page); font-weight: 600; }
.ok { background: var(--good); } .out { background: var(--bad); }
td.ok { background: none; color: var(--good); } td.out { background: none; color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th { color: var(--quiet); font-weight: 500; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
.plots { display: grid; gap: 16px; margin-top: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
figure { margin: 0; padding: 12px; background: var(--panel); border: 1px solid var(--line);
  border-radius: 8px; }
figcaption { color: var(--quiet); margin-bottom: 8px; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--text); font-size: 13px; }
svg text.small { fill: var(--quiet); font-size: 10px; } svg .grid { stroke: var(--line); }
"""


def as_page(comparison: Comparison) -> str:
    """The whole page."""
    state = "ok" if comparison.within else "out"
    others = ", ".join(each.model.label for each in comparison.compared)
    names = f"{comparison.reference.label} and {others}"
    notes = "".join(f"<li>{escape(line)}</li>" for line in remarks(comparison))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(names)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(names)}</h1>"
        f'<p class="quiet">{escape(summary(comparison))}</p>'
        f'<p class="verdict {state}">{escape(verdict(comparison))}</p>'
        f"{f'<ul>{notes}</ul>' if notes else ''}"
        f"<h2>Agreement</h2>{_table(AGREEMENT_HEADER, agreement_rows(comparison))}"
        f'<div class="plots">{"".join(_errors(comparison))}</div>'
        f"{_speed(comparison)}"
        f'<p class="quiet">penstock compare {escape(__version__)}</p></main></body></html>\n'
    )


def _errors(comparison: Comparison) -> Iterable[str]:
    """How large absolute errors are, for each output that is of numbers."""
    labels = ["0", f"<1e{DECADES[0]}", *(f"1e{decade}" for decade in DECADES)]
    for place, compared in enumerate(comparison.compared):
        for agreement in compared.outputs:
            if agreement.cosine is not None:
                title = f"{compared.model.label}, {agreement.output}: values by absolute error"
                yield histogram(title, labels, agreement.histogram, place + 1)


def _speed(comparison: Comparison) -> str:
    if not comparison.timings:
        return ""
    labels = [model.label for model in comparison.models]
    load = comparison.load
    seen = [[latency * 1e3 for latency in each.latencies_s] for each in comparison.timings]
    plots = (
        curves("Share of requests answered within a time", labels, seen, "ms"),
        bars("Rows a second", labels, [each.rows_per_s for each in comparison.timings], "{:,.0f}"),
    )
    return (
        f"<h2>Speed</h2><p class='quiet'>{load.requests} requests of each model, "
        f"{load.concurrency} in flight, as this client saw them.</p>"
        f"{_table(TIMING_HEADER, timing_rows(comparison))}"
        f'<div class="plots">{"".join(plots)}</div>'
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _cell(text: str) -> str:
    kind = {"ok": ' class="ok"', "OUT": ' class="out"'}.get(text, "")
    return f"<td{kind}>{escape(text)}</td>"
