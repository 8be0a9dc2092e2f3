"""The Dirac table as Markdown and CSV: pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

from ganfreeze.record.report import formats


class Row(NamedTuple):
    """A published figure, and what a strategy under a Keras measured; `refused` says why it did not run."""

    variant: str
    update: str
    quantity: str
    strategy: str
    keras: str
    published: str
    measured: float | None
    agrees: bool | None
    refused: str


def markdown(rows: Sequence[Row]) -> str:
    """A row for each published figure, a column for each strategy and Keras; bold where they do not agree."""
    places = list(dict.fromkeys((row.strategy, row.keras) for row in rows))
    found = {(*row[:3], row.strategy, row.keras): row for row in rows}
    header = ["game", "update", "quantity", "published", *(f"{strategy} {keras}" for strategy, keras in places)]
    lines = []
    for figure in dict.fromkeys(row[:3] for row in rows):
        of_figure = [found[(*figure, *place)] for place in places]
        lines.append([*figure, of_figure[0].published, *(_shown(row) for row in of_figure)])
    return formats.markdown(header, lines)


def table(rows: Sequence[Row]) -> str:
    """A line for each figure, strategy and Keras, as CSV."""
    return formats.comma_separated(Row._fields, rows)


def _shown(row: Row) -> str:
    if row.measured is None:
        return "refused"
    return f"{row.measured:.6g}" if row.agrees else f"**{row.measured:.6g}**"
