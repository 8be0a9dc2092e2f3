"""Write rows as Markdown and as CSV, and tables as text."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_WIDE = 1000  # characters: no cell is cut off


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
    Console(file=written, width=_WIDE, highlight=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())
