"""Check frozen weights while training goes on: at some steps, a fingerprint before and after each phase."""

from collections.abc import Mapping, Sequence
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import Streams
from ganfreeze.gan.inspection import overwritten
from ganfreeze.proof.ledger import Violation
from ganfreeze.strategy.base import Game, Phase, Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.types import Metrics, PhaseName, Tensor, Variable


class WatchedStrategy(Strategy):
    """A strategy that runs every `every`-th step phase by phase, and checks that the frozen weights did not move.

    A strategy whose `advance` is more than its phases, such as `fit`, takes these steps by its phases too.

    The metric `frozen_weights_moved` is the share of the watched phases in which they moved.

    Raises:
        Violation: frozen weights moved, and `tolerated` is False.
    """

    def __init__(self, strategy: Strategy, game: Game, every: int, *, tolerated: bool) -> None:
        self._strategy, self._update, self._every, self._tolerated = strategy, game.update, every, tolerated
        networks = game.networks
        rewritten = {
            id(weight) for name in ("generator", "discriminator") for weight in overwritten(getattr(networks, name))
        }

        def frozen_weights(active: PhaseName) -> Sequence[Variable]:
            other: PhaseName = "generator" if active == "discriminator" else "discriminator"
            weights = (*strategy.phases[other].trains, *networks.held_weights)
            return [weight for weight in weights if id(weight) not in rewritten]

        self.judge = strategy.judge
        self.phases = {name: self._guarded(phase, frozen_weights(name)) for name, phase in strategy.phases.items()}

    def advance(self, streams: Streams, step: int, steps: int) -> Metrics:
        totals: dict[str, float] = {}
        moved, end = [], step + steps
        while step < end:
            if step % self._every == 0:
                count, metrics = 1, self._watch(streams, step)
                moved.append(metrics.pop("frozen_weights_moved"))
            else:
                count = min(end, (step // self._every + 1) * self._every) - step
                metrics = dict(self._strategy.advance(streams, step, count))
            for name, value in metrics.items():
                totals[name] = totals.get(name, 0.0) + value * count / steps
            step += count
        return {**totals, "frozen_weights_moved": sum(moved) / len(moved)} if moved else totals

    def _watch(self, streams: Streams, step: int) -> dict[str, float]:
        inputs = phases.step_inputs(self._update, streams, step)
        return dict(phases.mean(phases.run_step(self.phases, self._update, inputs)))

    def _guarded(self, phase: Phase, frozen: Sequence[Variable]) -> Phase:
        fingerprint = tf.function(lambda: _fingerprint(frozen), autograph=False)

        def train(real: Tensor, latent: Tensor) -> Mapping[str, Any]:
            before = fingerprint()
            metrics = phase.train(real, latent)
            moved = bool(fingerprint() != before)
            if moved and not self._tolerated:
                raise Violation(
                    f"in the {phase.name} phase frozen weights moved during training; "
                    "they did not move in the audit before training"
                )
            return {**metrics, "frozen_weights_moved": float(moved)}

        return phase._replace(train=train)


def _fingerprint(variables: Sequence[Variable]) -> Tensor:
    """Return a sum of the bits of all elements, int64, with a factor for each variable. One flipped bit changes it."""
    return tf.add_n([(2 * number + 1) * _bits(variable) for number, variable in enumerate(variables)])


def _bits(variable: Variable) -> Tensor:
    value = tf.convert_to_tensor(variable)
    integer = {2: tf.int16, 4: tf.int32, 8: tf.int64}[value.dtype.size]
    return tf.reduce_sum(tf.cast(tf.bitcast(value, integer), tf.int64))
