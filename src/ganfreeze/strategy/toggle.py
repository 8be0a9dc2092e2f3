"""The careful Keras way: each trainer is compiled once, and the flag is set before each phase."""

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase
from ganfreeze.types import Tensor, TensorMetrics


class Toggle(PhaseByPhase):
    """The flag has the same value when a trainer is compiled, when it is traced, and when it runs.

    So this works under both Keras, whichever of the three moments they read the flag at.
    """

    supports, conflicts = keras_models.SUPPORTS, keras_models.CONFLICTS

    def __init__(self, game: Game) -> None:
        self._networks = game.networks
        self._discriminator, self._combined = keras_models.pair(game)
        super().__init__(
            game, discriminator=self._train_discriminator, generator=self._train_generator, judge=self._combined.judge
        )
        self._discriminator.compile()
        game.networks.discriminator.trainable = False
        self._combined.compile()

    def _train_discriminator(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        self._networks.thaw()
        return self._discriminator.run(real, latent)

    def _train_generator(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        self._networks.discriminator.trainable = False
        return self._combined.run(real, latent)
