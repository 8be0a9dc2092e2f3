"""The Keras idiom, made to work under Keras 3: the discriminator's train function is traced before the flag flips."""

from collections.abc import Mapping
from typing import ClassVar

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase
from ganfreeze.types import Choices, Tensor


class Trace(PhaseByPhase):
    """As `compile`, but the discriminator is frozen for good only after its first batch has been trained on.

    Keras 3 has then traced the train function, with the weights in it, and does not look at the flag again; Keras 2 has
    remembered them since `compile()`. It hangs by a thread: run eagerly, or when a batch of another shape has the
    function traced anew, Keras 3 looks again, and the discriminator stops training without a word.
    """

    limits, refuses = keras_models.LIMITS, keras_models.REFUSES
    fails: ClassVar[Choices] = {"keras": ["keras3"], "eager": [True]}
    diagnosis = (
        "Run eagerly, Keras 3 reads `trainable` at every batch, so what was traced before the flag flipped does not "
        "help. eager=false, strategy=toggle or strategy=tape would work."
    )

    def __init__(self, game: Game) -> None:
        self._networks, self._traced = game.networks, False
        self._discriminator, self._combined = keras_models.pair(game)
        super().__init__(game, learn=self._learn, fool=self._fool)
        self._discriminator.compile()
        game.networks.discriminator.trainable = False
        self._combined.compile()

    def _learn(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        if self._traced:
            return self._discriminator.run(real, latent)
        self._networks.thaw()
        scalars = self._discriminator.run(real, latent)
        self._networks.discriminator.trainable = False
        self._traced = True
        return scalars

    def _fool(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        return self._combined.run(real, latent)
