"""Many steps in one call: a loop inside one traced function, which XLA may compile."""

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import Drawn, Draws, Prefetcher, Streams, scale
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.types import Metrics, Tensor, TensorMetrics

# Steps in the body of a compiled loop: with two steps there, XLA copies its state back only every other step.
_UNROLLED = 2


class Fused(Strategy, ABC):
    """A strategy whose phases take tensors and return tensors, so whole steps can run without Python.

    One call runs up to `execution.fused_steps` steps. NumPy draws their batches and noise beforehand, as for single
    phases. Examples lie on the device as uint8, and it gathers the batches from them by their indices. It also sums the
    metrics, which are fetched once for all steps.

    The loop has room for `fused_steps` steps, and its arguments say which of them to run. So it is traced once,
    whatever the length of a span. A compiled loop runs two steps at a time; it is compiled a second time for a single
    step that is left. A phase by itself is not compiled: it runs only now and then, to be checked.

    AutoGraph converts nothing here, because that takes longer than all of the tracing. So a layer whose `call` branches
    on a tensor has to use `tf.cond`.
    """

    def __init__(
        self,
        game: Game,
        *,
        discriminator: phases.PhaseFunction,
        generator: phases.PhaseFunction,
        generate: Callable[[Tensor], Any] | None = None,
    ) -> None:
        """`discriminator(real, latent)` and `generator(real, latent)` are the phases.

        If `generate(latent)` is given, it runs the generator once for both phases, in the same trace. Each phase then
        gets its result as a third argument.
        """
        self._update, self._generate = game.update, generate
        self.phases = phases.make_phases(
            game,
            discriminator=tf.function(discriminator, autograph=False),
            generator=tf.function(generator, autograph=False),
        )
        self._inner = phases.make_phases(game, discriminator=discriminator, generator=generator)
        jit, self._capacity = game.execution
        self._many = tf.function(self._loop, autograph=False, jit_compile=jit)
        self._unrolled = _UNROLLED if jit else 1
        self._ahead = Prefetcher(self._capacity, game.update.noises())
        self._examples: tuple[Any, Tensor] = None, None

    def advance(self, streams: Streams, step: int, steps: int) -> Metrics:
        return {name: float(mean) for name, mean in self.means(streams, step, steps).items()}

    def means(self, streams: Drawn, step: int, steps: int) -> Mapping[str, NDArray[np.float64]]:
        """Train as `advance` does, and return the means as arrays: (k,) where the game has k seeds, else scalars."""
        totals = []
        for first in range(step, step + steps, self._capacity):
            count = min(self._capacity, step + steps - first)
            draws = self._on_device(self._ahead.draw(streams, first, then=first + count))
            even = count - count % self._unrolled
            if even:
                totals.append(self._many(*draws, tf.constant(0), tf.constant(even), self._unrolled))
            if even < count:
                totals.append(self._many(*draws, tf.constant(even), tf.constant(count), 1))
        return {name: np.asarray(sum(total[name] for total in totals)) / steps for name in phases.METRICS}

    def _loop(
        self, examples: Tensor, indices: Tensor, noise: Tensor, first: Tensor, end: Tensor, unrolled: int
    ) -> TensorMetrics:
        """Run the steps from `first` to `end`, and return the sum of each metric.

        The number of steps is a multiple of `unrolled`.
        """

        def run(number: Tensor, totals: TensorMetrics) -> tuple[Tensor, TensorMetrics]:
            real = scale_on_device(tf.gather(examples, indices[number]), noise.dtype)
            inputs = phases.inputs_from_draws(self._update, real, noise[number])
            if self._generate:
                shared = self._generate(inputs[0][1])
                inputs = [(*batch, shared) for batch in inputs]
            metrics = phases.run_step(self._inner, self._update, inputs)
            return number + 1, {name: totals[name] + _mean(metrics, name) for name in phases.METRICS}

        def run_several(*state: Any) -> tuple[Tensor, TensorMetrics]:
            for _ in range(unrolled):
                state = run(*state)
            return state

        totals = {name: tf.zeros(noise.shape[2:-2], tf.float64) for name in phases.METRICS}
        return tf.while_loop(lambda number, _: number < end, run_several, (first, totals))[1]

    def _on_device(self, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Return the draws as tensors on the device. Examples that are there already are not moved again."""
        if self._examples[0] is not draws.examples:
            self._examples = draws.examples, tf.convert_to_tensor(draws.examples)
        return self._examples[1], tf.convert_to_tensor(draws.indices), tf.convert_to_tensor(draws.noise)


def scale_on_device(examples: Tensor, dtype: Any) -> Tensor:
    """Return what `streams.scale` returns for these examples, bit for bit.

    The values are looked up in a table, because compilers turn the division of `scale` into a product.
    """
    if examples.dtype == tf.uint8:
        examples = tf.gather(scale(np.arange(256, dtype=np.uint8)), tf.cast(examples, tf.int32))
    return tf.cast(examples, dtype)


def _mean(metrics_of_calls: list[Mapping[str, Any]], name: str) -> Tensor:
    """Return the mean of a metric over the calls that gave it."""
    values = [metrics[name] for metrics in metrics_of_calls if name in metrics]
    return tf.reduce_mean(tf.stack([tf.cast(value, tf.float64) for value in values]), 0)
