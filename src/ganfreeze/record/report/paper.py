"""The table of a paper: as LaTeX and as CSV, with its provenance in a comment."""

import math
from collections.abc import Iterator, Sequence

from ganfreeze.record.report import formats, words
from ganfreeze.record.report.statistics import Estimate
from ganfreeze.record.report.summary import Summary

_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def latex(summary: Summary, provenance: str) -> str:
    """Return a LaTeX table, for the package booktabs: the mean of each figure, and its 95% interval.

    An arrow says which direction is better. The best mean of a column is bold.
    """
    arrows = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}
    headings = [f"{figure.name.translate(_SPECIAL)}{arrows[figure.larger_is_better]}" for figure in summary.figures]
    rows = [_row(["variant", "runs", *headings]), r"\midrule", *_latex_rows(summary)]
    comment = "".join(f"% {line}\n" for line in provenance.splitlines())
    body = "\n".join([r"\toprule", *rows, r"\bottomrule"])
    return f"{comment}\\begin{{tabular}}{{lr{'r' * len(headings)}}}\n{body}\n\\end{{tabular}}\n"


def table(summary: Summary, provenance: str) -> str:
    """Return the same as CSV: a line for each variant and figure, with all digits."""
    rows = [
        [
            group.name,
            figure.name,
            estimate.runs,
            *(repr(value) if not math.isnan(value) else "" for value in (estimate.mean, estimate.low, estimate.high)),
            figure.verdicts[group.name].word if group.name in figure.verdicts else "",
        ]
        for group in summary.groups
        for figure in summary.figures
        if (estimate := figure.estimates.get(group.name))
    ]
    header = ["variant", "figure", "runs", "mean", "low", "high", "verdict"]
    return "".join(f"# {line}\n" for line in provenance.splitlines()) + formats.comma_separated(header, rows)


def _latex_rows(summary: Summary) -> Iterator[str]:
    best = {}
    for figure in summary.figures:
        means = [] if figure.larger_is_better is None else [estimate.mean for estimate in figure.estimates.values()]
        best[figure.name] = (max if figure.larger_is_better else min)(means) if means else math.nan
    for group in summary.groups:
        cells: Sequence[str] = [
            _cell(figure.estimates.get(group.name), best[figure.name]) for figure in summary.figures
        ]
        yield _row([group.name.translate(_SPECIAL), str(len(group.finished)), *cells])


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(estimate: Estimate | None, best: float) -> str:
    if estimate is None:
        return "--"
    mean = formats.number(estimate.mean)
    mean = rf"\mathbf{{{mean}}}" if estimate.mean == best else mean
    return f"${mean}$" + ("" if math.isnan(estimate.low) else f" {words.interval(estimate)}")
