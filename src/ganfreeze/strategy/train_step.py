"""Keras' own hook for custom training: a `keras.Model` whose `train_step` is overridden, driven by `fit`."""

from collections.abc import Callable, Sequence
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import Streams
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.strategy.engine.fused import scale_on_device
from ganfreeze.strategy.engine.tapes import TapedPhases
from ganfreeze.types import Metrics, Tensor, TensorMetrics


class TrainStep(Strategy):
    """The way of Keras' guides: a whole step, both phases, is one traced function.

    Inside it are a tape and explicit variable lists, so no flag is read or set. `fit` takes `execution.fused_steps`
    steps in one call.
    """

    shares_batches = True

    def __init__(self, game: Game) -> None:
        self._update, taped, jit = game.update, TapedPhases(game), game.execution.jit
        self.judge = taped.judge
        self.phases = phases.make_phases(
            game,
            discriminator=tf.function(taped.train_discriminator, autograph=False),
            generator=tf.function(taped.train_generator, autograph=False),
        )
        # The same two phases, not yet traced: they are traced as part of the step.
        self._inner = phases.make_phases(game, discriminator=taped.train_discriminator, generator=taped.train_generator)
        self._gan = _gan(game.keras, tf.function(self._step, autograph=False, jit_compile=jit))
        self._gan.compile(
            optimizer=game.optimizers.generator,  # `train_step` does not use it
            jit_compile=False,  # `_step` is compiled already; with deterministic kernels Keras 3 would refuse
            steps_per_execution=game.execution.fused_steps,
        )

    def advance(self, streams: Streams, step: int, steps: int) -> Metrics:
        draws = streams.draw(step, steps, self._update.noises())
        options = tf.data.Options()
        options.autotune.enabled = False  # else `fit` ends only when the tuner's thread wakes up, seconds later
        data = tf.data.Dataset.from_tensor_slices((draws.examples[draws.indices], draws.noise)).prefetch(2)
        history = self._gan.fit(data.with_options(options), steps_per_epoch=steps, shuffle=False, verbose=0).history
        return {name: float(history[name][-1]) for name in phases.METRICS}

    def _step(self, examples: Tensor, noise: Tensor) -> Sequence[TensorMetrics]:
        inputs = phases.inputs_from_draws(self._update, scale_on_device(examples, noise.dtype), noise)
        return phases.run_step(self._inner, self._update, inputs)


def _gan(keras: Any, step: Callable[[Tensor, Tensor], Sequence[TensorMetrics]]) -> Any:
    class Gan(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="gan")
            self.means = [keras.metrics.Mean(name) for name in phases.METRICS]

        @property
        def metrics(self) -> list[Any]:
            return self.means

        def train_step(self, data: tuple[Tensor, Tensor]) -> TensorMetrics:
            metrics_of_calls = step(*data)
            for mean in self.means:
                for metrics in metrics_of_calls:
                    if mean.name in metrics:
                        mean.update_state(metrics[mean.name])
            return {mean.name: mean.result() for mean in self.means}

    return Gan()
