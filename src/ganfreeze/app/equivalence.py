"""The equivalence certificate: two variants trained in lockstep, and whether they are the same algorithm."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, ListConfig, OmegaConf

from ganfreeze import errors, events
from ganfreeze.app.config import Assembled, Variant, described
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
from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.proof import certificate
from ganfreeze.proof.certificate import Certificate, Difference
from ganfreeze.proof.snapshot import values
from ganfreeze.record.report import certificate_tables

_OWN = ("a", "b", "precisions", "tolerance", "steps", "output")


class Side(NamedTuple):
    """One of two to be compared: what it is called, and its variant in each precision."""

    name: str
    variants: Sequence[Variant]


class Pair(NamedTuple):
    """Two to be compared."""

    a: Side
    b: Side


def run(cfg: DictConfig) -> None:
    """Certify a against each b: print a table, write it with all differences and a plot, and record each pair."""
    with friendly_errors():
        output = output_folder(cfg)
        pairs = list(_pairs(cfg, listed_words(cfg, "precisions", list(certificate.TOLERANCES))))
        found = []
        for pair in pairs:
            found.append(_certify(cfg, pair, output))
            print(f"{_against(pair)}: {certificate.verdict(found[-1])}", file=sys.stderr, flush=True)
        print(
            f"{certificate_tables.markdown(found)}\n{output}: certificates.md, divergence.png and .csv, and a folder for each pair"
        )
        (output / "certificates.md").write_text(certificate_tables.markdown(found))
        (output / "divergence.csv").write_text(certificate_tables.by_step(found))
        set_apart = [each for each in command_line_overrides(_OWN) if not each.startswith(("tracker", "paths"))]
        certificate_tables.plot(found, output / "divergence.png", " ".join(set_apart) or "mlp on digits")


def _pairs(cfg: DictConfig, precisions: Sequence[str]) -> Iterator[Pair]:
    """Every pair, checked before the first is trained; of b=all, those that can play."""
    for key in ("a", "b"):
        if OmegaConf.is_missing(cfg, key):
            raise errors.BadInput(f"{key} has no default: set {key}=..., such as {key}=tape")
    if cfg.tolerance is not None and not (isinstance(cfg.tolerance, float | int) and cfg.tolerance > 0):
        raise errors.BadInput(f"tolerance={cfg.tolerance}: must be a number above 0, such as 1e-5, or null")
    one = _side(cfg, str(cfg.a), precisions)
    if cfg.b != "all":
        others = [cfg.b] if isinstance(cfg.b, str) else list(cfg.b) if isinstance(cfg.b, ListConfig) else []
        if not others or not all(isinstance(other, str) for other in others):
            raise errors.BadInput(f"b={cfg.b}: must be as a is, or a list of such, or all")
        for other in others:
            pair = Pair(one, _side(cfg, other, precisions))
            _check(pair)
            yield pair
        return
    for keras in group_words("keras"):
        for strategy in group_words("strategy"):
            try:
                other = _side(cfg, f"keras={keras} strategy={strategy}", precisions)
            except errors.Refused as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            if other.variants[0].cfg != one.variants[0].cfg:
                yield Pair(one, other)


def _check(pair: Pair) -> None:
    """Raise BadInput where the two could not be compared step by step and variable by variable."""
    for one, other in zip(pair.a.variants, pair.b.variants, strict=True):
        for key in ("dataset", "architecture", "packing", "steps", "precision", "deterministic"):
            if one.cfg[key] != other.cfg[key]:
                raise errors.BadInput(f"{_against(pair)}: {key} must be the same on both sides; set it beside a and b")


def _side(cfg: DictConfig, chosen: str, precisions: Sequence[str]) -> Side:
    """What sets it apart, with spaces between: a word of a strategy or a Keras, or any override."""
    versions = group_words("keras")
    deltas = [
        each if "=" in each else f"{'keras' if each in versions else 'strategy'}={each}" for each in chosen.split()
    ]
    common = ["evaluator=none", f"steps={cfg.steps}", *command_line_overrides(_OWN)]
    variants = [variant(*common, f"precision={each}", *deltas) for each in precisions]
    return Side(" ".join(each.removeprefix("keras=").removeprefix("strategy=") for each in deltas), variants)


def _against(pair: Pair) -> str:
    return f"{pair.a.name} against {pair.b.name}"


def _certify(cfg: DictConfig, pair: Pair, output: Path) -> list[Certificate]:
    """One pair of variants in each precision; recorded as one run."""
    first = pair.a.variants[0]
    dataset = first.source.load()
    evidence = output / re.sub(r"[^\w.-]+", "_", _against(pair))
    evidence.mkdir(exist_ok=True)
    with first.tracker as tracker, without_warnings():
        sides = {"a": pair.a.name, "b": pair.b.name}
        tracker.write(
            described(first, dataset, _against(pair), parameters=sides, tags={"ganfreeze.kind": "equivalence"})
        )
        found = []
        for one, other in zip(pair.a.variants, pair.b.variants, strict=True):
            precision = one.settings.precision
            differences: list[Difference] = []
            for step, each in _lockstep((one, other), dataset):
                worst = max(each, key=lambda difference: difference.relative)
                figures = {"absolute": worst.absolute, "relative": worst.relative, "ulp": worst.ulp}
                tracker.write(events.Measured(step, {f"{precision}/{key}": value for key, value in figures.items()}))
                differences += each
            tolerance = cfg.tolerance or certificate.TOLERANCES[precision]
            found.append(Certificate(pair.a.name, pair.b.name, precision, tolerance, differences))
        (evidence / "differences.csv").write_text(certificate_tables.table(found))
        (evidence / "certificate.md").write_text(certificate_tables.markdown([found]))
        certificate_tables.plot([found], evidence / "divergence.png", _against(pair))
        tracker.write(events.Certified({"equivalence": certificate.verdict(found)}, evidence))
    return found


def _lockstep(pair: tuple[Variant, Variant], dataset: Dataset) -> Iterator[tuple[int, list[Difference]]]:
    """Train both a step at a time, and compare all variables of both networks after each."""
    both = [(each, ready(each, dataset)) for each in pair]
    called = certificate.names(both[0][1].game.networks)
    for step in range(pair[0].settings.steps):
        reached = [_after(chosen, assembled, step) for chosen, assembled in both]
        yield step + 1, certificate.differences(step + 1, called, *reached)


def _after(chosen: Variant, assembled: Assembled, step: int) -> list[Any]:
    tf.config.run_functions_eagerly(chosen.settings.eager)
    assembled.strategy.advance(assembled.streams, step, 1)
    return values([*assembled.game.networks.generator.weights, *assembled.game.networks.discriminator.weights])
