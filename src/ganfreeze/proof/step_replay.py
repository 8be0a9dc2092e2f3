"""Run one step call by call, and look at its losses, gradients and variables."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend.devices import OneDevice
from ganfreeze.data.streams import Streams
from ganfreeze.gan.averaging import NoAverage
from ganfreeze.proof.audit import OwnedVariable, inventory
from ganfreeze.proof.snapshot import Snapshot
from ganfreeze.proof.step_report import CallReport
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.strategy.engine.tapes import TapedPhases
from ganfreeze.types import PhaseName, Tensor, Variable


def report_calls(strategy: Strategy, game: Game, streams: Streams, step: int) -> list[CallReport]:
    """Run the calls of the step after step number `step`, one by one, and report on each. The state moves on.

    In a simultaneous update the second call sees the weights that the first one made, which the step itself does not.
    In an extragradient update each call sees what all calls before it made.
    """
    owned = inventory(strategy, game)
    state = [each.variable for each in owned]
    inputs = phases.step_inputs(game.update, streams, step)
    reports, known = [], set(not_finite(owned))
    for call, batch in zip(game.update.calls(), inputs, strict=True):
        before = Snapshot(state)
        norms = _gradient_norms(strategy, game, call.phase, batch)
        before.restore()
        metrics = {name: float(value) for name, value in strategy.phases[call.phase].run(*batch).items()}
        new = [name for name in not_finite(owned) if name not in known]
        known.update(new)
        reports.append(CallReport(call.phase, metrics, norms, new))
    return reports


def not_finite(owned: Iterable[OwnedVariable]) -> Iterator[str]:
    """Yield the names of variables that hold NaN or infinity, as "the generator's dense_1/kernel"."""
    for each in owned:
        value = each.variable.numpy()
        if np.issubdtype(value.dtype, np.inexact) and not np.isfinite(value).all():
            yield f"the {each.network}'s {each.name}"


def _gradient_norms(strategy: Strategy, game: Game, phase: PhaseName, batch: Sequence[Tensor]) -> Mapping[str, float]:
    """Return the norms of the gradients of one call, from the same weights and with the same random numbers.

    One device takes the whole batch: of several, each would have the gradient of its own part.
    """
    captured, discriminator = _CapturedGradients(), game.networks.discriminator
    was_trainable = discriminator.trainable
    game.networks.thaw()
    taped_game = replace(game, optimizers=captured, average=NoAverage(), devices=OneDevice())
    taped = TapedPhases(taped_game)
    taped.judge = strategy.judge
    calls = phases.make_phases(taped_game, discriminator=taped.train_discriminator, generator=taped.train_generator)
    calls[phase].train(*(tf.convert_to_tensor(tensor) for tensor in batch[:2]))
    if not was_trainable:
        discriminator.trainable = False
    squares: dict[str, float] = {}
    for variable, gradient in captured.gradients:
        if gradient is not None:
            layer = getattr(variable, "path", variable.name).rpartition("/")[0]
            squares[layer] = squares.get(layer, 0.0) + float(tf.reduce_sum(tf.cast(gradient, tf.float64) ** 2))
    return {layer: math.sqrt(square) for layer, square in squares.items()}


@dataclass
class _CapturedGradients:
    """Stands in for the optimizers of a game: it keeps the gradients, and moves nothing."""

    gradients: list[tuple[Variable, Any]] = field(default_factory=list)

    def build(self, **_: Any) -> None:
        pass

    def scaled(self, phase: PhaseName, loss: Tensor) -> Tensor:
        return loss

    def apply(self, phase: PhaseName, gradients: Sequence[Tensor], weights: Sequence[Variable]) -> None:
        self.gradients += zip(weights, gradients, strict=True)
