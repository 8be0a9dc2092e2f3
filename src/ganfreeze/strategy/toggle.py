"""The careful Keras way: each trainer is compiled once, and the flag is set before each phase."""

from collections.abc import Mapping

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase
from ganfreeze.types import Tensor


class Toggle(PhaseByPhase):
    """The flag says the same when a trainer is compiled, traced and run, so it works under both Keras, whichever of the
    three they look at.
    """

    limits, refuses = keras_models.LIMITS, keras_models.REFUSES

    def __init__(self, game: Game) -> None:
        self._networks = game.networks
        self._discriminator, self._combined = keras_models.pair(game)
        super().__init__(game, learn=self._learn, fool=self._fool)
        self._discriminator.compile()
        game.networks.discriminator.trainable = False
        self._combined.compile()

    def _learn(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        self._networks.thaw()
        return self._discriminator.run(real, latent)

    def _fool(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        self._networks.discriminator.trainable = False
        return self._combined.run(real, latent)
