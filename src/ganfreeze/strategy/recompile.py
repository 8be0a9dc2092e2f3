"""The cautious Keras way: before each phase the flag is set and the trainer is compiled again."""

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase
from ganfreeze.types import Tensor, TensorMetrics


class Recompile(PhaseByPhase):
    """Both trainers are compiled again and again: this works under both Keras, and is slow.

    Every `compile()` throws the traced train function away, so each phase of each step is traced again.
    """

    supports, conflicts = keras_models.SUPPORTS, keras_models.CONFLICTS

    def __init__(self, game: Game) -> None:
        self._networks = game.networks
        self._discriminator, self._combined = keras_models.pair(game)
        super().__init__(
            game, discriminator=self._train_discriminator, generator=self._train_generator, judge=self._combined.judge
        )

    def _train_discriminator(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        self._networks.thaw()
        self._discriminator.compile()
        return self._discriminator.run(real, latent)

    def _train_generator(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        self._networks.discriminator.trainable = False
        self._combined.compile()
        return self._combined.run(real, latent)
