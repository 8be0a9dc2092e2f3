"""Every strategy held against the Dirac-GAN's published figures."""

import sys
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from ganfreeze import dirac, errors
from ganfreeze.app.plainly import plainly
from ganfreeze.app.study import folder, one_of, overrides, quiet, ready, variant, words
from ganfreeze.report import conformance

_OWN = ("strategies", "keras_versions", "quantities", "anchors", "output")


def run(cfg: DictConfig) -> None:
    """Measure each published figure under each strategy and Keras; write a table and a CSV file as they come, and print
    the table."""
    with plainly():
        output = folder(cfg)
        rows: list[conformance.Row] = []
        for each in _columns(cfg):
            rows += each
            (output / "dirac.md").write_text(conformance.markdown(rows))
            (output / "dirac.csv").write_text(conformance.table(rows))
        if all(row.refused for row in rows):
            raise errors.BadInput(rows[0].refused if rows else f"anchors={cfg.anchors}: there is no such figure in it")
        print(f"{conformance.markdown(rows)}\n{output / 'dirac.md'}, {output / 'dirac.csv'}")


def _columns(cfg: DictConfig) -> Iterator[list[conformance.Row]]:
    """Every figure under one strategy and Keras after another."""
    strategies = one_of(cfg, "strategies", words("strategy"))
    versions = one_of(cfg, "keras_versions", words("keras"))
    quantities = one_of(cfg, "quantities", ["spectral_radius", "norm_after_500"])
    anchors = [anchor for anchor in dirac.read(Path(cfg.anchors)) if anchor.quantity in quantities]
    for strategy in strategies:
        for keras in versions:
            rows = [_row(anchor, strategy, keras) for anchor in anchors]
            agree, refused = sum(row.agrees is True for row in rows), sum(bool(row.refused) for row in rows)
            counts = f"{agree} of {len(rows)} agree, {refused} refused"
            print(f"{strategy} {keras}: {counts}", file=sys.stderr, flush=True)
            yield rows


def _row(anchor: dirac.Anchor, strategy: str, keras: str) -> conformance.Row:
    own = [f"strategy={strategy}", f"keras={keras}"]
    place = (*anchor[:3], strategy, keras, anchor.value)
    try:
        chosen = variant("precision=float64", *anchor.overrides(), *overrides(_OWN), *own)
    except errors.Refused as error:
        return conformance.Row(*place, None, None, str(error))
    with quiet():
        game, made, streams = ready(chosen, chosen.source.load())
        measured = dirac.measure(anchor.quantity, made, game, streams)
    return conformance.Row(*place, measured, anchor.agrees(measured), "")
