"""Keras' own hook for custom training: a `keras.Model` whose `train_step` is overridden, driven by `fit`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ganfreeze import phases
from ganfreeze import tensorflow as tf
from ganfreeze.streams import Streams
from ganfreeze.tapes import Taped
from ganfreeze.types import Game, Scalars, Strategy, Tensor

_SCALARS = ("discriminator_loss", "accuracy_real", "accuracy_fake", "generator_loss")


class TrainStep(Strategy):
    """The way of Keras' guides. A whole step, both phases, is one traced function; inside it are a tape and explicit
    variable lists, so that no flag is read or set.
    """

    def __init__(self, game: Game) -> None:
        self._update, taped = game.update, Taped(game)
        self.phases = phases.of(game, learn=tf.function(taped.learn), fool=tf.function(taped.fool))
        self._gan = _gan(game.keras, lambda inputs: phases.run_step(self.phases, game.update, inputs))
        self._gan.compile(optimizer=game.optimizers.generator, jit_compile=False)  # which `train_step` does not use

    def advance(self, streams: Streams, step: int, steps: int) -> Scalars:
        def batches() -> Iterator[tuple[Any, Any]]:
            for now in range(step, step + steps):
                given = phases.inputs(self._update, streams, now)
                yield tuple(real for real, _ in given), tuple(latent for _, latent in given)

        history = self._gan.fit(batches(), steps_per_epoch=steps, shuffle=False, verbose=0)
        return {name: float(history.history[name][-1]) for name in _SCALARS}


def _gan(keras: Any, step: Any) -> Any:
    class Gan(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="gan")
            self.means = [keras.metrics.Mean(name) for name in _SCALARS]

        @property
        def metrics(self) -> list[Any]:
            return self.means

        def train_step(self, data: tuple[Sequence[Tensor], Sequence[Tensor]]) -> Mapping[str, Tensor]:
            scalars = step(list(zip(*data, strict=True)))
            for mean in self.means:
                for each in scalars:
                    if mean.name in each:
                        mean.update_state(each[mean.name])
            return {mean.name: mean.result() for mean in self.means}

    return Gan()
