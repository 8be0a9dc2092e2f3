"""The freeze matrix as Markdown and CSV: pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

from ganfreeze.record.report import formats


class Cell(NamedTuple):
    """What one mechanism did to the discriminator under one Keras and mode ("graph" or "eager"): in each phase, whether
    its weights moved and whether its state (BatchNormalization's averages) did. `refused` says why it did not run."""

    mechanism: str
    keras: str
    mode: str
    discriminator_phase_weights: bool | None
    discriminator_phase_state: bool | None
    generator_phase_weights: bool | None
    generator_phase_state: bool | None
    verdict: str
    refused: str = ""


def markdown(cells: Sequence[Cell]) -> str:
    """A row for each mechanism, and two columns, one for each phase, for every Keras and mode."""
    places = list(dict.fromkeys((cell.keras, cell.mode) for cell in cells))
    found = {(cell.mechanism, cell.keras, cell.mode): cell for cell in cells}
    header = ["mechanism", *(f"{keras} {mode}: {phase} phase" for keras, mode in places for phase in "DG")]
    rows = []
    for mechanism in dict.fromkeys(cell.mechanism for cell in cells):
        texts = [text for place in places for text in _texts(found[(mechanism, *place)])]
        rows.append([f"`{mechanism}`", *texts])
    return formats.markdown(header, rows)


def table(cells: Sequence[Cell]) -> str:
    """A line for each cell, as CSV."""
    return formats.comma_separated(Cell._fields, cells)


def _texts(cell: Cell) -> tuple[str, str]:
    if cell.refused:
        return "refused", "refused"
    learn = _moved(cell.discriminator_phase_weights, cell.discriminator_phase_state)
    fool = _moved(cell.generator_phase_weights, cell.generator_phase_state)
    return (
        learn if cell.discriminator_phase_weights else f"**{learn}**",
        f"**{fool}**" if cell.generator_phase_weights else fool,
    )


def _moved(weights: bool | None, state: bool | None) -> str:
    return {
        (True, True): "w, bn move",
        (True, False): "w move",
        (False, True): "bn moves",
        (False, False): "still",
    }[bool(weights), bool(state)]
