"""Measure the freeze matrix, which variables move in which phase: the program `src/freeze_matrix.py`."""

import sys
from collections.abc import Iterator

from omegaconf import DictConfig

from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.study import (
    command_line_overrides,
    compose_variant,
    group_words,
    listed_words,
    output_folder,
    without_warnings,
)
from ganfreeze.app.training_setup import build
from ganfreeze.errors import BadInput, Refused
from ganfreeze.proof.audit import audit
from ganfreeze.record import provenance
from ganfreeze.record.report import freeze_matrix
from ganfreeze.record.report.freeze_matrix import Cell

MODES = {"graph": "false", "eager": "true"}  # of `eager`
_OWN = ("strategies", "keras_versions", "modes", "output")


def run(cfg: DictConfig) -> None:
    """Measure the matrix, print it, and write it to the output folder as Markdown and CSV."""
    with friendly_errors():
        folder = output_folder(cfg)
        cells = list(_cells(cfg))
        if all(cell.refused for cell in cells):
            raise BadInput(cells[0].refused)
        versions = ", ".join(f"{package} {version}" for package, version in provenance.versions().items())
        text = f"{freeze_matrix.markdown(cells)}\n{freeze_matrix.LEGEND}\n\nMeasured with {versions}.\n"
        print(f"{text}\n{folder / 'freeze_matrix.md'}, {folder / 'freeze_matrix.csv'}")
        (folder / "freeze_matrix.md").write_text(text)
        (folder / "freeze_matrix.csv").write_text(freeze_matrix.table(cells))


def _cells(cfg: DictConfig) -> Iterator[Cell]:
    strategies = listed_words(cfg, "strategies", group_words("strategy"))
    versions = listed_words(cfg, "keras_versions", group_words("keras"))
    modes = listed_words(cfg, "modes", list(MODES))
    for strategy in strategies:
        for keras in versions:
            for mode in modes:
                cell = _cell(strategy, keras, mode)
                print(f"{strategy} {keras} {mode}: {cell.refused or cell.verdict}", file=sys.stderr, flush=True)
                yield cell


def _cell(strategy: str, keras: str, mode: str) -> Cell:
    overrides = command_line_overrides(_OWN)
    if not any(override.startswith("architecture=") for override in overrides):
        overrides = ["architecture=dcgan", "architecture.filters=8", *overrides]
    place = (f"strategy={strategy}", f"keras={keras}", f"eager={MODES[mode]}")
    try:
        variant = compose_variant("batch_size=16", *overrides, *place)
    except Refused as error:
        return Cell(strategy, keras, mode, None, None, None, None, "refused", str(error))
    with without_warnings():
        setup = build(variant, variant.source.load())
        ledger = audit(setup.strategy, setup.game, setup.streams)
    return Cell(
        strategy,
        keras,
        mode,
        discriminator_phase_weights=ledger.moved("discriminator", "discriminator", "weights"),
        discriminator_phase_state=ledger.moved("discriminator", "discriminator", "state"),
        generator_phase_weights=ledger.moved("generator", "discriminator", "weights"),
        generator_phase_state=ledger.moved("generator", "discriminator", "state"),
        verdict=ledger.verdict,
    )
