"""Leave out the steps that would make a network NaN or infinite."""

import math
from collections.abc import Sequence
from statistics import fmean

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import Streams
from ganfreeze.errors import Diverged
from ganfreeze.strategy.base import Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.types import Metrics, Tensor, Variable


class SkippingStrategy(Strategy):
    """A strategy that leaves out each step after which a metric or a variable is NaN or infinite.

    Several steps run as ever. If one of them went wrong, the state before them is restored, and they run one by one;
    after a step that goes wrong again, the state before it is restored. The metric `skipped_steps` counts these.

    Raises:
        Diverged: all steps of a call went wrong, so the state itself is beyond help.
    """

    def __init__(self, strategy: Strategy, variables: Sequence[Variable]) -> None:
        """`variables` is everything that the strategy changes."""
        self.phases, self.judge, self._strategy, self._variables = strategy.phases, strategy.judge, strategy, variables
        self._all_finite = tf.function(lambda: all_finite(variables), autograph=False)

    def advance(self, streams: Streams, step: int, steps: int) -> Metrics:
        before = phases.copies(self._variables)
        metrics = self._strategy.advance(streams, step, steps)
        if self._is_finite(metrics):
            return {**metrics, "skipped_steps": 0.0}
        phases.assign(self._variables, before)
        good = [metrics for number in range(step, step + steps) if (metrics := self._step(streams, number))]
        if not good:
            sentence = f"every step from {step + 1} to {step + steps} gives NaN or infinity, so none can be left out"
            raise Diverged(sentence, (step + 1, step + steps))
        names = dict.fromkeys(name for metrics in good for name in metrics)  # some are in some steps only
        means = {name: fmean(metrics[name] for metrics in good if name in metrics) for name in names}
        return {**means, "skipped_steps": float(steps - len(good))}

    def _step(self, streams: Streams, step: int) -> Metrics | None:
        """Take one step, and return its metrics; None if it had to be undone."""
        before = phases.copies(self._variables)
        metrics = self._strategy.advance(streams, step, 1)
        if self._is_finite(metrics):
            return metrics
        phases.assign(self._variables, before)
        return None

    def _is_finite(self, metrics: Metrics) -> bool:
        return all(map(math.isfinite, metrics.values())) and bool(self._all_finite())


def all_finite(variables: Sequence[Variable]) -> Tensor:
    """Return whether no variable holds NaN or infinity, as a boolean scalar."""
    values = [tf.convert_to_tensor(variable) for variable in variables]
    finite = [tf.reduce_all(tf.math.is_finite(value)) for value in values if value.dtype.is_floating]
    return tf.reduce_all(tf.stack(finite)) if finite else tf.constant(True)
