"""Write numbers and tables as text, and rows as Markdown and as CSV."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_WIDE = 1000  # characters: no cell is cut off


def number(value: float) -> str:
    """Return a number with three digits or more; "-" for NaN."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) >= 0.1 or not value else f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """Return a time in seconds, minutes or hours; "-" for None."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with one line for each row."""
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, ["---"] * len(header), *rows))


def comma_separated(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return the header and the rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def text(table: Table) -> str:
    """Return a table as text, however wide it is, without spaces at the ends of lines."""
    written = io.StringIO()
    Console(file=written, width=_WIDE, highlight=False, force_terminal=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())
