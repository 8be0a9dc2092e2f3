"""Keras' own hook for custom training: a `keras.Model` whose `train_step` is overridden, driven by `fit`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import Streams
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.strategy.engine.fused import scale_on_device
from ganfreeze.strategy.engine.tapes import TapedPhases
from ganfreeze.types import Metrics, Tensor


class TrainStep(Strategy):
    """The way of Keras' guides. A whole step, both phases, is one traced function; inside it are a tape and explicit
    variable lists, so that no flag is read or set. `fit` takes `execution.fused_steps` of them in a call.
    """

    def __init__(self, game: Game) -> None:
        self._update, taped, jit = game.update, TapedPhases(game), game.execution.jit
        learn, fool = (tf.function(each, autograph=False) for each in (taped.learn, taped.fool))
        self.phases = phases.make_phases(game, learn=learn, fool=fool)
        self._inner = phases.make_phases(game, learn=taped.learn, fool=taped.fool)  # traced with the step
        self._gan = _gan(game.keras, tf.function(self._step, autograph=False, jit_compile=jit))
        self._gan.compile(
            optimizer=game.optimizers.generator,  # which `train_step` does not use
            jit_compile=False,  # the step is compiled, and Keras 3 would not where kernels are to be deterministic
            steps_per_execution=game.execution.fused_steps,
        )

    def advance(self, streams: Streams, step: int, steps: int) -> Metrics:
        draws = streams.draw(step, steps, self._update.noises())
        options = tf.data.Options()
        options.autotune.enabled = False  # `fit` would end only when the tuner's thread wakes, seconds later
        data = tf.data.Dataset.from_tensor_slices((draws.examples[draws.indices], draws.noise)).prefetch(2)
        history = self._gan.fit(data.with_options(options), steps_per_epoch=steps, shuffle=False, verbose=0).history
        return {name: float(history[name][-1]) for name in phases.METRICS}

    def _step(self, examples: Tensor, noise: Tensor) -> Sequence[Mapping[str, Tensor]]:
        inputs = phases.inputs_from_draws(self._update, scale_on_device(examples, noise.dtype), noise)
        return phases.run_step(self._inner, self._update, inputs)


def _gan(keras: Any, step: Callable[[Tensor, Tensor], Sequence[Mapping[str, Tensor]]]) -> Any:
    class Gan(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="gan")
            self.means = [keras.metrics.Mean(name) for name in phases.METRICS]

        @property
        def metrics(self) -> list[Any]:
            return self.means

        def train_step(self, data: tuple[Tensor, Tensor]) -> Mapping[str, Tensor]:
            scalars = step(*data)
            for mean in self.means:
                for each in scalars:
                    if mean.name in each:
                        mean.update_state(each[mean.name])
            return {mean.name: mean.result() for mean in self.means}

    return Gan()
