"""Show the freeze matrix, which parts of the discriminator move in which phase, as Markdown and as CSV."""

from collections.abc import Sequence
from typing import NamedTuple

from ganfreeze.record.report import formats

LEGEND = (
    "D phase: the discriminator phase. G phase: the generator phase. w: the discriminator's weights. bn: the moving "
    "averages of its BatchNormalization, or other state. constraint: kernels that their own layer overwrites in "
    "training mode. A flag switches the mode of BatchNormalization only: a frozen Dropout or GaussianNoise goes on to "
    "draw random numbers. Bold: weights that move in the G phase, or do not move in the D phase."
)


class Cell(NamedTuple):
    """The effect of one mechanism on the discriminator, under one Keras and mode ("graph" or "eager").

    For each phase it says whether the discriminator's weights moved, and whether its state (the moving averages of
    BatchNormalization) moved. `refused` says why the mechanism did not run, "" if it did; the `verdict` is then
    "refused" or "error". The last four are the largest absolute change of a network's weights in one phase.
    """

    mechanism: str
    keras: str
    mode: str
    discriminator_phase_weights: bool | None
    discriminator_phase_state: bool | None
    generator_phase_weights: bool | None
    generator_phase_state: bool | None
    verdict: str
    refused: str = ""
    generator_phase_constraint: bool | None = None
    discriminator_in_discriminator_phase: float | None = None
    discriminator_in_generator_phase: float | None = None
    generator_in_discriminator_phase: float | None = None
    generator_in_generator_phase: float | None = None


def markdown(cells: Sequence[Cell]) -> str:
    """Return a Markdown table: a row for each mechanism, a column for each Keras, mode and phase."""
    places = list(dict.fromkeys((cell.keras, cell.mode) for cell in cells))
    by_place = {(cell.mechanism, cell.keras, cell.mode): cell for cell in cells}
    header = ["mechanism", *(f"{keras} {mode}: {phase} phase" for keras, mode in places for phase in "DG")]
    rows = []
    for mechanism in dict.fromkeys(cell.mechanism for cell in cells):
        texts = [text for place in places for text in _texts(by_place.get((mechanism, *place)))]
        rows.append([f"`{mechanism}`", *texts])
    return formats.markdown(header, rows)


def table(cells: Sequence[Cell]) -> str:
    """Return the cells as CSV, with one line for each."""
    return formats.comma_separated(Cell._fields, cells)


def _texts(cell: Cell | None) -> tuple[str, str]:
    """Return the texts of the discriminator phase and of the generator phase; "-" where there is no cell."""
    if cell is None:
        return "-", "-"
    if cell.refused:
        return cell.verdict or "refused", cell.verdict or "refused"
    discriminator_phase = _moved(cell.discriminator_phase_weights, cell.discriminator_phase_state)
    generator_phase = _moved(cell.generator_phase_weights, cell.generator_phase_state)
    if cell.generator_phase_constraint:
        generator_phase = f"{generator_phase}, constraint moves".removeprefix("still, ")
    return (
        discriminator_phase if cell.discriminator_phase_weights else f"**{discriminator_phase}**",
        f"**{generator_phase}**" if cell.generator_phase_weights else generator_phase,
    )


def _moved(weights: bool | None, state: bool | None) -> str:
    return {
        (True, True): "w, bn move",
        (True, False): "w move",
        (False, True): "bn moves",
        (False, False): "still",
    }[bool(weights), bool(state)]
