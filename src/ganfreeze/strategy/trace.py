"""The Keras idiom, made to work under Keras 3: the discriminator's train function is traced before the flag flips."""

from ganfreeze.strategy.base import Game, KnownFailure
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase
from ganfreeze.types import Tensor, TensorMetrics


class Trace(PhaseByPhase):
    """As `compile`, but the discriminator is frozen for good only after it has trained on its first batch.

    By then Keras 3 has traced the train function, with the weights in it, and does not read the flag again. Keras 2 has
    remembered the weights since `compile()`.

    This is fragile. Keras 3 reads the flag again when functions run eagerly, or when a batch of another shape makes it
    trace the train function again. Then the discriminator stops training, without a warning.
    """

    supports, conflicts = keras_models.SUPPORTS, keras_models.CONFLICTS
    known_failure = KnownFailure(
        when={"keras": ["keras3"], "eager": [True]},
        diagnosis=(
            "Run eagerly, Keras 3 reads `trainable` at every batch, so it does not help that the train function was "
            "traced before the flag flipped. eager=false, strategy=toggle or strategy=tape work."
        ),
    )

    def __init__(self, game: Game) -> None:
        self._networks, self._traced = game.networks, False
        self._discriminator, self._combined = keras_models.pair(game)
        super().__init__(
            game, discriminator=self._train_discriminator, generator=self._train_generator, judge=self._combined.judge
        )
        self._discriminator.compile()
        game.networks.discriminator.trainable = False
        self._combined.compile()

    def _train_discriminator(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        if self._traced:
            return self._discriminator.run(real, latent)
        self._networks.thaw()
        metrics = self._discriminator.run(real, latent)
        self._networks.discriminator.trainable = False
        self._traced = True
        return metrics

    def _train_generator(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        return self._combined.run(real, latent)
