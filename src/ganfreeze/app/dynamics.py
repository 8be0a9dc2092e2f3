"""Every strategy held against the Dirac-GAN's published figures."""

import sys
from collections.abc import Iterator
from pathlib import Path

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
from ganfreeze.proof import dynamics
from ganfreeze.record.report import dynamics_table

_OWN = ("strategies", "keras_versions", "quantities", "anchors", "output")


def run(cfg: DictConfig) -> None:
    """Measure each published figure under each strategy and Keras; write a table and a CSV file as they come, and print
    the table."""
    with friendly_errors():
        output = output_folder(cfg)
        rows: list[dynamics_table.Row] = []
        for each in _columns(cfg):
            rows += each
            (output / "dirac.md").write_text(dynamics_table.markdown(rows))
            (output / "dirac.csv").write_text(dynamics_table.table(rows))
        if all(row.refused for row in rows):
            raise errors.BadInput(rows[0].refused if rows else f"anchors={cfg.anchors}: there is no such figure in it")
        print(f"{dynamics_table.markdown(rows)}\n{output / 'dirac.md'}, {output / 'dirac.csv'}")


def _columns(cfg: DictConfig) -> Iterator[list[dynamics_table.Row]]:
    """Every figure under one strategy and Keras after another."""
    strategies = listed_words(cfg, "strategies", group_words("strategy"))
    versions = listed_words(cfg, "keras_versions", group_words("keras"))
    quantities = listed_words(cfg, "quantities", ["spectral_radius", "norm_after_500"])
    anchors = [anchor for anchor in dynamics.read(Path(cfg.anchors)) if anchor.quantity in quantities]
    for strategy in strategies:
        for keras in versions:
            rows = [_row(anchor, strategy, keras) for anchor in anchors]
            agree, refused = sum(row.agrees is True for row in rows), sum(bool(row.refused) for row in rows)
            counts = f"{agree} of {len(rows)} agree, {refused} refused"
            print(f"{strategy} {keras}: {counts}", file=sys.stderr, flush=True)
            yield rows


def _row(anchor: dynamics.Anchor, strategy: str, keras: str) -> dynamics_table.Row:
    own = [f"strategy={strategy}", f"keras={keras}"]
    place = (*anchor[:3], strategy, keras, anchor.value)
    try:
        chosen = variant("precision=float64", *anchor.overrides(), *command_line_overrides(_OWN), *own)
    except errors.Refused as error:
        return dynamics_table.Row(*place, None, None, str(error))
    with without_warnings():
        game, made, streams = ready(chosen, chosen.source.load())
        measured = dynamics.measure(anchor.quantity, made, game, streams)
    return dynamics_table.Row(*place, measured, anchor.agrees(measured), "")
