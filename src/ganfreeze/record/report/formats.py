"""Write rows as Markdown and as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with one line for each row."""
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, ["---"] * len(header), *rows))


def comma_separated(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return the header and the rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()
