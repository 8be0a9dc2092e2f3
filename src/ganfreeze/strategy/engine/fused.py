"""Many steps in one call: a loop inside one traced function, which XLA may compile."""

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import Draws, Prefetcher, Streams, scale
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.types import Metrics, Tensor

# Steps in the body of a compiled loop: with two of them XLA copies its state back for every other step only.
_UNROLLED = 2


class Fused(Strategy, ABC):
    """A strategy whose phases are tensors in, tensors out, so that whole steps can run without Python.

    Up to `execution.fused_steps` of them run in one call. What they need is drawn before by NumPy, as for single
    phases: the device gathers the batches by their indices from examples that lie there as uint8, and sums the scalars,
    which are fetched once for all steps. The loop has room for `fused_steps` steps and is told which to take, so it
    is traced once, whatever a span's length; compiled, it takes two at a time, and is compiled again for one that is
    left. A phase by itself is not compiled: it runs now and then, to be looked at.

    Nothing here is converted by AutoGraph, which takes longer than all of the tracing: a layer whose `call` branches on
    a tensor has to say `tf.cond`.
    """

    def __init__(
        self,
        game: Game,
        *,
        learn: phases.PhaseFunction,
        fool: phases.PhaseFunction,
        generate: Callable[[Tensor], Any] | None = None,
    ) -> None:
        """`learn(real, latent)` and `fool(real, latent)` are the phases. Where `generate(latent)` is given, it runs the
        generator once for both, in the same trace, and each is given its result as a third argument."""
        self._update, self._generate = game.update, generate
        traced_learn, traced_fool = (tf.function(each, autograph=False) for each in (learn, fool))
        self.phases = phases.make_phases(game, learn=traced_learn, fool=traced_fool)
        self._inner = phases.make_phases(game, learn=learn, fool=fool)
        jit, self._capacity = game.execution
        self._many = tf.function(self._loop, autograph=False, jit_compile=jit)
        self._unrolled = _UNROLLED if jit else 1
        self._ahead = Prefetcher(self._capacity, game.update.noises())
        self._examples: tuple[Any, Tensor] = None, None

    def advance(self, streams: Streams, step: int, steps: int) -> Metrics:
        totals = []
        for first in range(step, step + steps, self._capacity):
            count = min(self._capacity, step + steps - first)
            drawn = self._placed(self._ahead.draw(streams, first, then=first + count))
            even = count - count % self._unrolled
            if even:
                totals.append(self._many(*drawn, tf.constant(0), tf.constant(even), self._unrolled))
            if even < count:
                totals.append(self._many(*drawn, tf.constant(even), tf.constant(count), 1))
        return {name: float(sum(total[name] for total in totals)) / steps for name in phases.METRICS}

    def _loop(
        self, examples: Tensor, indices: Tensor, noise: Tensor, first: Tensor, end: Tensor, unrolled: int
    ) -> Mapping[str, Tensor]:
        """The sums of the scalars of the steps from `first` to `end`, a multiple of `unrolled` of them."""

        def run(number: Tensor, totals: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
            real = scale_on_device(tf.gather(examples, indices[number]), noise.dtype)
            inputs = phases.inputs_from_draws(self._update, real, noise[number])
            if self._generate:
                shared = self._generate(inputs[0][1])
                inputs = [(*batch, shared) for batch in inputs]
            scalars = phases.run_step(self._inner, self._update, inputs)
            return number + 1, {name: totals[name] + _mean(scalars, name) for name in phases.METRICS}

        def run_several(*state: Any) -> tuple[Tensor, Mapping[str, Tensor]]:
            for _ in range(unrolled):
                state = run(*state)
            return state

        totals = {name: tf.zeros((), tf.float64) for name in phases.METRICS}
        return tf.while_loop(lambda number, _: number < end, run_several, (first, totals))[1]

    def _placed(self, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """On the device; examples that are there already are not moved again."""
        if self._examples[0] is not draws.examples:
            self._examples = draws.examples, tf.convert_to_tensor(draws.examples)
        return self._examples[1], tf.convert_to_tensor(draws.indices), tf.convert_to_tensor(draws.noise)


def scale_on_device(examples: Tensor, dtype: Any) -> Tensor:
    """What `streams.scaled` makes of them, bit for bit: looked up, for compilers turn its division into a product."""
    if examples.dtype == tf.uint8:
        examples = tf.gather(scale(np.arange(256, dtype=np.uint8)), tf.cast(examples, tf.int32))
    return tf.cast(examples, dtype)


def _mean(scalars: list[Mapping[str, Any]], name: str) -> Tensor:
    return tf.reduce_mean(tf.stack([tf.cast(each[name], tf.float64) for each in scalars if name in each]))
