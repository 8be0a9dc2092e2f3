"""The cautious Keras way: the flag is set and the trainer compiled anew before each phase."""

from collections.abc import Mapping

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase
from ganfreeze.types import Tensor


class Recompile(PhaseByPhase):
    """It works under both Keras, and is slow: every `compile()` throws the traced train function away, so that each
    phase of each step is traced again.
    """

    limits, refuses = keras_models.LIMITS, keras_models.REFUSES

    def __init__(self, game: Game) -> None:
        self._networks = game.networks
        self._discriminator, self._combined = keras_models.pair(game)
        super().__init__(game, learn=self._learn, fool=self._fool)

    def _learn(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        self._networks.thaw()
        self._discriminator.compile()
        return self._discriminator.run(real, latent)

    def _fool(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        self._networks.discriminator.trainable = False
        self._combined.compile()
        return self._combined.run(real, latent)
