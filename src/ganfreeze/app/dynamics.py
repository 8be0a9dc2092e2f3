"""Hold strategies against the published dynamics of the Dirac-GAN: the program `src/dynamics.py`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from ganfreeze.app.compose import (
    command_line_overrides,
    compose_variant,
    group_words,
    listed_words,
    output_folder,
    without_warnings,
)
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import resolved
from ganfreeze.app.program_settings import DynamicsSettings, parse_program
from ganfreeze.app.purposes import EXPERIMENTS
from ganfreeze.app.training_setup import build
from ganfreeze.errors import BadInput, Refused
from ganfreeze.proof import dynamics, published
from ganfreeze.proof.published import PublishedValue
from ganfreeze.record.report import dynamics_table
from ganfreeze.record.report.dynamics_table import Row

_OWN = tuple(DynamicsSettings.model_fields)


def run(cfg: DictConfig) -> None:
    """Measure each published quantity under each strategy and Keras; print a table, and write it as it grows."""
    with friendly_errors():
        values = resolved(cfg)
        settings = parse_program(DynamicsSettings, {key: values[key] for key in _OWN})
        folder = output_folder(settings.output)
        rows: list[Row] = []
        for column in _columns(settings):
            rows += column
            (folder / "dynamics.md").write_text(dynamics_table.markdown(rows))
            (folder / "dynamics.csv").write_text(dynamics_table.table(rows))
            (folder / "expected.csv").write_text(dynamics_table.expected(rows))
        if all(row.refused for row in rows):
            nothing = f"anchors={settings.anchors}: it holds no value of {settings.quantities}"
            raise BadInput(rows[0].refused if rows else nothing)
        print(f"{dynamics_table.markdown(rows)}\n{folder}: dynamics.md, dynamics.csv and expected.csv")


def _columns(settings: DynamicsSettings) -> Iterator[list[Row]]:
    """Yield every quantity under one strategy and Keras after another."""
    strategies = listed_words("strategies", settings.strategies, group_words("strategy"))
    versions = listed_words("keras_versions", settings.keras_versions, group_words("keras"))
    quantities = listed_words("quantities", settings.quantities, ["spectral_radius", "norm_after_500"])
    anchors = [anchor for anchor in published.read(_file(settings.anchors)) if anchor.quantity in quantities]
    for strategy in strategies:
        for keras in versions:
            rows = [_row(anchor, strategy, keras) for anchor in anchors]
            agree, refused = sum(row.agrees is True for row in rows), sum(bool(row.refused) for row in rows)
            counts = f"{agree} of {len(rows)} agree, {refused} refused"
            print(f"{strategy} {keras}: {counts}", file=sys.stderr, flush=True)
            yield rows


def _file(anchors: str) -> Path:
    """Return the file with the anchors: in the working folder, or else the one that ganfreeze has."""
    own = EXPERIMENTS.parent / anchors
    return own if own.exists() and not Path(anchors).exists() else Path(anchors)


def _row(anchor: PublishedValue, strategy: str, keras: str) -> Row:
    place = (f"strategy={strategy}", f"keras={keras}")
    described = (anchor.variant, anchor.update, anchor.quantity, strategy, keras, anchor.value, anchor.tolerance)
    try:
        variant = compose_variant("precision=float64", *anchor.overrides(), *command_line_overrides(_OWN), *place)
    except Refused as error:
        return Row(*described, None, None, str(error))
    with without_warnings():
        setup = build(variant, variant.source.load())
        measured = dynamics.measure(anchor.quantity, setup.strategy, setup.game, setup.streams)
    return Row(*described, measured, anchor.agrees(measured), "")
