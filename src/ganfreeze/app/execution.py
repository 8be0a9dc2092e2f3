"""How a variant's steps are run: as its config says, or, where that leaves it open, as is fastest on this machine."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.utils import get_object

from ganfreeze import errors
from ganfreeze.app import validation
from ganfreeze.app.config import Assembled, Variant, chosen
from ganfreeze.app.study import ready
from ganfreeze.backend import machine
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.proof import audit
from ganfreeze.proof.snapshot import Snapshot
from ganfreeze.record import provenance
from ganfreeze.strategy.base import Execution, Strategy
from ganfreeze.strategy.engine import tuning

_LEAST_STEPS = 2000  # in a shorter run XLA takes longer to compile, and both ways to be measured, than it saves
_MOST_FUSED = 100
_DECISIVE = (  # what the speed of a step depends on, beside the data's shape
    *("keras", "strategy", "update", "architecture", "freeze", "loss", "regularizer", "optimizer", "schedule"),
    *("batch_size", "packing", "ema", "precision", "deterministic", "eager", "jit", "fused_steps"),
)


def build_fastest(variant: Variant, dataset: Dataset) -> tuple[Assembled, tuning.Choice]:
    """The variant on this data set, ready to train and untrained, and how its steps are run.

    Every candidate is built anew, and trains what nothing else is trained by; what the fastest one changed is put back
    bit for bit.
    """
    candidates = list(_candidates(variant))
    if len(candidates) == 1:
        why = "as configured, or the only way" if _is_worth_measuring(variant) else "too few steps to measure others"
        return ready(variant, dataset, candidates[0]), tuning.Choice(candidates[0], why)
    tried: dict[Execution, tuple[Assembled, Snapshot]] = {}

    def make(execution: Execution) -> tuple[Strategy, Any]:
        made = ready(variant, dataset, execution)
        owned = audit.inventory(made.strategy, made.game)
        tried[execution] = made, Snapshot([*(each.variable for each in owned), *made.game.average.variables])
        return made.strategy, made.streams

    folder = Path(variant.settings.paths.cache) / "execution"
    choice = tuning.cached_choice(folder, _key(variant, dataset, candidates), lambda: tuning.choose(candidates, make))
    if choice.execution not in tried:
        return ready(variant, dataset, choice.execution), choice
    made, start = tried[choice.execution]
    start.restore()
    return made, choice


def _candidates(variant: Variant) -> Iterator[Execution]:
    """Without XLA first: what it cannot do well it does so slowly that it should be held against something."""
    settings, limits = variant.settings, _strategy(variant).limits
    most = min(_MOST_FUSED, settings.cadence.log, settings.cadence.evaluate)
    for jit in _jits(variant):
        if settings.fused_steps != "auto":
            fused = [settings.fused_steps]
        elif "fused_steps" in limits:  # one at a time is all that it can do
            fused = [1]
        else:
            fused = [most] if jit or most == 1 or not _is_worth_measuring(variant) else [1, most]
        yield from (Execution(jit, steps) for steps in fused)


def _jits(variant: Variant) -> list[bool]:
    settings, strategy = variant.settings, _strategy(variant)
    if settings.jit != "auto":
        return [settings.jit == "on"]
    if settings.eager:
        return [False]
    try:
        validation.check_limits("", strategy.limits, strategy.refuses, {**chosen(variant), "jit": "on"})
    except errors.Refused:
        return [False]
    if machine.gpus():
        return [True]
    return [False, True] if _is_worth_measuring(variant) else [False]


def _is_worth_measuring(variant: Variant) -> bool:
    return variant.settings.steps >= _LEAST_STEPS


def _strategy(variant: Variant) -> type[Strategy]:
    return get_object(variant.cfg.strategy["_target_"])


def _key(variant: Variant, dataset: Dataset, candidates: Sequence[Execution]) -> Mapping[str, Any]:
    decisive = {key: value for key, value in chosen(variant).items() if key.partition(".")[0] in _DECISIVE}
    return {
        **decisive,
        "image_shape": dataset.image_shape,
        "candidates": candidates,
        "versions": provenance.versions(),
        "machine": machine.description(),
    }
