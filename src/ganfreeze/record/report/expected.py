"""What an experiment is expected to give, and whether new results agree."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ganfreeze.errors import BadInput
from ganfreeze.record.report.summary import Summary

_COLUMNS = ("variant", "figure", "low", "high")


class Expected(NamedTuple):
    """The range in which the mean of a figure must lie, ends included."""

    variant: str
    figure: str
    low: float
    high: float


def read(path: Path) -> list[Expected]:
    """Read `expected.csv` of an experiment. Raises BadInput if it is missing or damaged."""
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            raise ValueError("it has no line")
        return [Expected(row["variant"], row["figure"], float(row["low"]), float(row["high"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: must be a CSV file with the columns {', '.join(_COLUMNS)} ({error})") from error


def violations(summary: Summary, expected: list[Expected]) -> Iterator[str]:
    """Yield a line for each expectation that the results do not meet, or do not have."""
    figures = {figure.name: figure for figure in summary.figures}
    for variant, figure, low, high in expected:
        estimate = figures[figure].estimates.get(variant) if figure in figures else None
        if figure in figures and figures[figure].refused:
            yield f"{variant}: {figure} is refused: the protocols differ in {figures[figure].refused}"
        elif estimate is None:
            yield f"{variant}: no finished run has {figure}"
        elif not low <= estimate.mean <= high:
            yield f"{variant}: {figure} is {estimate.mean:.4g}, and {low:g} to {high:g} is expected"
