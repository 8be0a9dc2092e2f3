"""Choose how the steps of a variant run: as its config says, or, where that says `auto`, as is fastest here."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganfreeze.app.parse_config import Variant
from ganfreeze.app.training_setup import TrainingSetup, build
from ganfreeze.app.validation import refusal
from ganfreeze.backend import machine
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.data.streams import Streams
from ganfreeze.proof.snapshot import Snapshot
from ganfreeze.record import provenance
from ganfreeze.strategy.base import Execution, Strategy
from ganfreeze.strategy.engine import tuning
from ganfreeze.types import GROUPS

_LEAST_STEPS = 2000  # in a shorter run, compiling by XLA and measuring cost more than they save
_MOST_FUSED = 100

# The speed of a step depends on these groups and settings, and on the shape of the data.
_DECISIVE_GROUPS = [group for group in GROUPS if group not in ("dataset", "evaluator", "tracker")]
_DECISIVE_SETTINGS = [
    "batch_size",
    "devices",
    "packing",
    "ema",
    "precision",
    "deterministic",
    "eager",
    "jit",
    "fused_steps",
]
_DECISIVE = {*_DECISIVE_GROUPS, *_DECISIVE_SETTINGS}


def build_fastest(
    variant: Variant, dataset: Dataset, before: Execution | None = None
) -> tuple[TrainingSetup, tuning.Choice]:
    """Build a variant, untrained, to run its steps in the fastest way; and say which way that is.

    Each candidate trains its own copy. The initial state of the fastest one is then restored, bit for bit. A run that
    goes on is run as it was `before`: another way would round differently.
    """
    if before:
        return build(variant, dataset, before), tuning.Choice(before, "as before")
    candidates = list(_candidates(variant))
    if len(candidates) == 1:
        is_set = "auto" not in (variant.settings.jit, variant.settings.fused_steps)
        few = not (is_set or _is_worth_measuring(variant))
        why = "too few steps to measure others" if few else "as configured, or the only way"
        return build(variant, dataset, candidates[0]), tuning.Choice(candidates[0], why)
    measured: dict[Execution, tuple[TrainingSetup, Snapshot]] = {}

    def make(execution: Execution) -> tuple[Strategy, Streams]:
        setup = build(variant, dataset, execution)
        measured[execution] = setup, Snapshot(setup.variables)
        return setup.strategy, setup.streams

    folder = Path(variant.settings.paths.cache) / "execution"
    key = _cache_key(variant, dataset, candidates)
    choice = tuning.cached_choice(folder, key, lambda: tuning.choose(candidates, make))
    if choice.execution not in measured:
        return build(variant, dataset, choice.execution), choice
    setup, initial = measured[choice.execution]
    initial.restore()
    return setup, choice


def stage_of_building(variant: Variant) -> str:
    """Return what `build_fastest` does, in a few words."""
    several = len(list(_candidates(variant))) > 1
    return "finding the fastest execution" if several else "building the networks"


def _candidates(variant: Variant) -> Iterator[Execution]:
    """Yield the ways to be compared. Those without XLA come first: XLA can be hopelessly slow, and is then left out."""
    settings, supports = variant.settings, variant.strategy.mechanism.supports
    most = min(_MOST_FUSED, settings.cadence.log, settings.cadence.evaluate)
    for jit in _jits(variant):
        if settings.fused_steps != "auto":
            numbers = [settings.fused_steps]
        elif most not in supports.get("fused_steps", [most]):  # this mechanism takes one step at a time
            numbers = [1]
        else:
            numbers = [most] if jit or most == 1 or not _is_worth_measuring(variant) else [1, most]
        yield from (Execution(jit, number) for number in numbers)


def _jits(variant: Variant) -> list[bool]:
    settings, mechanism = variant.settings, variant.strategy.mechanism
    if settings.jit != "auto":
        return [settings.jit == "on"]
    if settings.eager or settings.devices > 1:
        return [False]
    if refusal("", mechanism.supports, mechanism.conflicts, {**variant.values, "jit": "on"}):
        return [False]
    if machine.gpus():
        return [True]
    return [False, True] if _is_worth_measuring(variant) else [False]


def _is_worth_measuring(variant: Variant) -> bool:
    return variant.settings.steps >= _LEAST_STEPS


def _cache_key(variant: Variant, dataset: Dataset, candidates: Sequence[Execution]) -> Mapping[str, Any]:
    decisive = {key: value for key, value in variant.values.items() if key.partition(".")[0] in _DECISIVE}
    return {
        **decisive,
        "image_shape": dataset.example_shape,  # called so in the caches that there are
        "candidates": candidates,
        "versions": provenance.versions(),
        "machine": machine.description(),
    }
