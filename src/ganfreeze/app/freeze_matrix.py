"""The freeze matrix: who moves when, for each mechanism, Keras and mode, on the installed versions."""

import sys
from collections.abc import Iterator

from omegaconf import DictConfig

from ganfreeze import errors
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.study import (
    command_line_overrides,
    group_words,
    listed_words,
    output_folder,
    ready,
    variant,
    without_warnings,
)
from ganfreeze.proof import audit
from ganfreeze.record import provenance
from ganfreeze.record.report import freeze_matrix

MODES = {"graph": "false", "eager": "true"}
_OWN = ("strategies", "keras_versions", "modes", "output")


def run(cfg: DictConfig) -> None:
    """Measure the matrix, print it, and write it to the output folder as Markdown and CSV."""
    with friendly_errors():
        output = output_folder(cfg)
        cells = list(_cells(cfg))
        if all(cell.refused for cell in cells):
            raise errors.BadInput(cells[0].refused)
        versions = ", ".join(f"{package} {version}" for package, version in provenance.versions().items())
        text = f"{freeze_matrix.markdown(cells)}\n{_LEGEND}\n\nMeasured with {versions}.\n"
        print(f"{text}\n{output / 'freeze_matrix.md'}, {output / 'freeze_matrix.csv'}")
        (output / "freeze_matrix.md").write_text(text)
        (output / "freeze_matrix.csv").write_text(freeze_matrix.table(cells))


_LEGEND = (
    "D phase, G phase: the discriminator's and the generator's. w: the discriminator's weights; bn: its "
    "BatchNormalization's moving averages. Bold: not what the phase is for."
)


def _cells(cfg: DictConfig) -> Iterator[freeze_matrix.Cell]:
    strategies = listed_words(cfg, "strategies", group_words("strategy"))
    places = [
        (keras, mode)
        for keras in listed_words(cfg, "keras_versions", group_words("keras"))
        for mode in listed_words(cfg, "modes", list(MODES))
    ]
    for strategy in strategies:
        for keras, mode in places:
            cell = _cell(strategy, keras, mode)
            print(f"{strategy} {keras} {mode}: {cell.refused or cell.verdict}", file=sys.stderr, flush=True)
            yield cell


def _cell(strategy: str, keras: str, mode: str) -> freeze_matrix.Cell:
    own = [f"strategy={strategy}", f"keras={keras}", f"eager={MODES[mode]}"]
    given = command_line_overrides(_OWN)
    if not any(each.startswith("architecture=") for each in given):
        given = ["architecture=dcgan", "architecture.filters=8", *given]
    try:
        chosen = variant("batch_size=16", *given, *own)
    except errors.Refused as error:
        return freeze_matrix.Cell(strategy, keras, mode, None, None, None, None, "refused", str(error))
    with without_warnings():
        assembled = ready(chosen, chosen.source.load())
        ledger = audit.audit(assembled.strategy, assembled.game, assembled.streams)
    return freeze_matrix.Cell(
        strategy,
        keras,
        mode,
        ledger.moved("discriminator", "discriminator", "weights"),
        ledger.moved("discriminator", "discriminator", "state"),
        ledger.moved("generator", "discriminator", "weights"),
        ledger.moved("generator", "discriminator", "state"),
        ledger.verdict,
    )
