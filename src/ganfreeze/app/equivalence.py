"""Certify whether variants are the same algorithm: the program `src/equivalence.py`."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from ganfreeze import events
from ganfreeze.app.compose import (
    command_line_overrides,
    compose_variant,
    group_words,
    listed_words,
    output_folder,
    without_warnings,
)
from ganfreeze.app.description import describe
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import Variant, resolved
from ganfreeze.app.program_settings import EquivalenceSettings, parse_program
from ganfreeze.app.training_setup import TrainingSetup, build, require_seeded
from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend.machine import prepare_devices
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.errors import BadInput, Refused
from ganfreeze.proof import certificate
from ganfreeze.proof.certificate import Certificate, Difference
from ganfreeze.proof.snapshot import values
from ganfreeze.record import run_folder
from ganfreeze.record.report import certificate_tables

OWN = tuple(EquivalenceSettings.model_fields)
_SAME_ON_BOTH_SIDES = ("dataset", "architecture", "packing", "steps", "precision", "deterministic")


class Side(NamedTuple):
    """One of two sides: its name, and its variant in each precision."""

    name: str
    variants: Sequence[Variant]


class Pair(NamedTuple):
    """Two sides to be compared."""

    a: Side
    b: Side

    def __str__(self) -> str:
        return f"{self.a.name} against {self.b.name}"


def run(cfg: DictConfig) -> None:
    """Certify a against each b: print a table, write it with all differences and a plot, and record each pair."""
    with friendly_errors():
        certify(resolved(cfg), command_line_overrides(OWN))


def certify(values: Mapping[str, Any], overrides: Sequence[str]) -> Sequence[Sequence[Certificate]]:
    """Certify what the values of a config name: a against each b. Return each pair's certificates, by precision.

    The `overrides` are those of both sides. A table is printed, written with all differences and a plot, and each pair
    is recorded. Raises BadInput.
    """
    settings = parse_program(EquivalenceSettings, {key: values[key] for key in OWN})
    folder = output_folder(settings.output)
    precisions = listed_words("precisions", settings.precisions, list(certificate.TOLERANCES))
    pairs = list(_pairs(settings, ["evaluator=none", f"steps={settings.steps}", *overrides], precisions))
    # TensorFlow fixes its devices at its first operation, so this comes before the first pair.
    prepare_devices(max(variant.settings.devices for pair in pairs for side in pair for variant in side.variants))
    certified = []
    for pair in pairs:
        try:
            certified.append(_certify(settings, pair, folder))
        except Refused as error:  # only the networks, once they are built, told that it does not go
            if settings.b != "all":
                raise
            print(f"left out: {error}", file=sys.stderr)
            continue
        print(f"{pair}: {certificate.verdict(certified[-1])}", file=sys.stderr, flush=True)
    if not certified:
        raise BadInput(f"a={settings.a}: every pair was refused")
    table = certificate_tables.markdown(certified)
    print(f"{table}\n{folder}: certificates.md, divergence.png and .csv, and a folder for each pair")
    (folder / "certificates.md").write_text(table)
    (folder / "divergence.csv").write_text(certificate_tables.by_step(certified))
    common = [override for override in overrides if not override.startswith(("tracker", "paths"))]
    certificate_tables.plot(certified, folder / "divergence.png", " ".join(common) or "mlp on digits")
    return certified


def _pairs(settings: EquivalenceSettings, common: Sequence[str], precisions: Sequence[str]) -> Iterator[Pair]:
    """Yield every pair, checked before the first is trained; `b=all` leaves out sides that are refused."""
    a = _side(common, str(settings.a), precisions)
    if settings.b == "all":
        yield from _pairs_with_all(common, a, precisions)
        return
    names = [settings.b] if isinstance(settings.b, str) else settings.b if isinstance(settings.b, list) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise BadInput(f"b={settings.b}: must be as a is, or a list of such, or all")
    for name in names:
        pair = Pair(a, _side(common, name, precisions))
        _require_comparable(pair)
        yield pair


def _pairs_with_all(common: Sequence[str], a: Side, precisions: Sequence[str]) -> Iterator[Pair]:
    for keras in group_words("keras"):
        for strategy in group_words("strategy"):
            try:
                b = _side(common, f"keras={keras} strategy={strategy}", precisions)
            except Refused as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            if b.variants[0].yaml != a.variants[0].yaml:
                yield Pair(a, b)


def _require_comparable(pair: Pair) -> None:
    """Raise BadInput where the two sides cannot be compared step by step and variable by variable."""
    for variants in zip(pair.a.variants, pair.b.variants, strict=True):
        configs: list[Any] = [OmegaConf.create(variant.yaml) for variant in variants]
        for key in _SAME_ON_BOTH_SIDES:
            if configs[0][key] != configs[1][key]:
                raise BadInput(f"{pair}: {key} must be the same on both sides; set it beside a and b")


def _side(common: Sequence[str], text: str, precisions: Sequence[str]) -> Side:
    """Parse a side: words of a strategy or a Keras, and any overrides, with spaces between them."""
    versions = group_words("keras")
    overrides = [
        part if "=" in part else f"{'keras' if part in versions else 'strategy'}={part}" for part in text.split()
    ]
    variants = [compose_variant(*common, f"precision={precision}", *overrides) for precision in precisions]
    return Side(" ".join(part.removeprefix("keras=").removeprefix("strategy=") for part in overrides), variants)


def _certify(settings: EquivalenceSettings, pair: Pair, folder: Path) -> list[Certificate]:
    """Certify one pair in each precision, and record it as one run."""
    first = pair.a.variants[0]
    dataset = first.source.load()
    evidence = folder / re.sub(r"[^\w.-]+", "_", str(pair))
    evidence.mkdir(exist_ok=True)
    own = run_folder.create(Path(first.settings.paths.state), "equivalence", name=str(pair), owner="", identity={})
    with own, first.tracker.recorder(own.path) as tracker, without_warnings():
        sides = {"a": pair.a.name, "b": pair.b.name}
        tags = {"ganfreeze.kind": "equivalence"}
        tracker.write(describe(first, dataset, str(pair), parameters=sides, tags=tags))
        certificates = []
        for a, b in zip(pair.a.variants, pair.b.variants, strict=True):
            precision = a.settings.precision
            differences: list[Difference] = []
            for step, of_step in _lockstep((a, b), dataset):
                worst = max(of_step, key=lambda difference: difference.relative)
                metrics = {"absolute": worst.absolute, "relative": worst.relative, "ulp": worst.ulp}
                tracker.write(events.Measured(step, {f"{precision}/{key}": value for key, value in metrics.items()}))
                differences += of_step
            tolerance = settings.tolerance or certificate.TOLERANCES[precision]
            certificates.append(Certificate(pair.a.name, pair.b.name, precision, tolerance, differences))
        (evidence / "differences.csv").write_text(certificate_tables.table(certificates))
        (evidence / "certificate.md").write_text(certificate_tables.markdown([certificates]))
        certificate_tables.plot([certificates], evidence / "divergence.png", str(pair))
        tracker.write(events.Certified({"equivalence": certificate.verdict(certificates)}, evidence))
    return certificates


def _lockstep(pair: tuple[Variant, Variant], dataset: Dataset) -> Iterator[tuple[int, list[Difference]]]:
    """Train both variants step by step, and compare all variables of both networks after each step."""
    setups = [build(variant, dataset) for variant in pair]
    for variant, setup in zip(pair, setups, strict=True):
        require_seeded(variant, dataset, setup.game.networks)
    names = certificate.names(setups[0].game.networks)
    for step in range(pair[0].settings.steps):
        reached = [_step(variant, setup, step) for variant, setup in zip(pair, setups, strict=True)]
        yield step + 1, certificate.differences(step + 1, names, *reached)


def _step(variant: Variant, setup: TrainingSetup, step: int) -> list[Any]:
    """Take one step, eagerly or not as this variant has it, and return all weights of both networks."""
    tf.config.run_functions_eagerly(variant.settings.eager)
    setup.strategy.advance(setup.streams, step, 1)
    return values([*setup.game.networks.generator.weights, *setup.game.networks.discriminator.weights])
