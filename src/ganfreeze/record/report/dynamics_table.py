"""Show the measured dynamics of the Dirac-GAN beside the published values, as Markdown and as CSV."""

from collections.abc import Sequence
from typing import NamedTuple

from ganfreeze.record.report import formats


class Row(NamedTuple):
    """A published value, and the value that a strategy under a Keras gave; they agree if they differ by `tolerance`.

    `refused` says why the strategy did not run, "" if it did. If it did not, `measured` and `agrees` are None.
    """

    variant: str
    update: str
    quantity: str
    strategy: str
    keras: str
    published: str
    tolerance: float
    measured: float | None
    agrees: bool | None
    refused: str


def markdown(rows: Sequence[Row]) -> str:
    """Return a Markdown table: a row for each published value, a column for each strategy and Keras.

    Measured values that do not agree with the published value are bold.
    """
    places = list(dict.fromkeys((row.strategy, row.keras) for row in rows))
    by_key = {(*row[:3], row.strategy, row.keras): row for row in rows}
    header = ["game", "update", "quantity", "published", *(f"{strategy} {keras}" for strategy, keras in places)]
    lines = []
    for key in dict.fromkeys(row[:3] for row in rows):
        cells = [by_key[(*key, *place)] for place in places]
        lines.append([*key, cells[0].published, *(_shown(cell) for cell in cells)])
    return formats.markdown(header, lines)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as CSV, with one line for each published value, strategy and Keras."""
    return formats.comma_separated(Row._fields, rows)


def expected(rows: Sequence[Row]) -> str:
    """Return what was measured as CSV: a name, the published value, the measured value and the tolerance."""
    lines = [
        (f"{row.variant} {row.update} {row.strategy} {row.keras}", row.published, row.measured, row.tolerance)
        for row in rows
        if row.measured is not None
    ]
    return formats.comma_separated(["name", "expected", "measured", "tolerance"], lines)


def _shown(row: Row) -> str:
    if row.measured is None:
        return "refused"
    return f"{row.measured:.6g}" if row.agrees else f"**{row.measured:.6g}**"
