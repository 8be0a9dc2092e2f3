"""The Keras idiom: compile the discriminator, freeze it, compile the combined model, never thaw it."""

from typing import ClassVar

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase
from ganfreeze.types import Choices


class Compile(PhaseByPhase):
    """Keras 2 remembers in `compile()` what is trainable, so the discriminator's trainer goes on training.

    Keras 3 asks for the flag when it traces the train function, at the first batch: by then the discriminator is
    frozen everywhere, and it never trains.
    """

    limits, refuses = keras_models.LIMITS, keras_models.REFUSES
    fails: ClassVar[Choices] = {"keras": ["keras3"]}
    diagnosis = (
        "Keras 3 reads `trainable` when a train function is traced, at the first batch, not in compile(); by then the "
        "discriminator is frozen everywhere, and never trains. keras=keras2 remembers the flag at compile(); under "
        "Keras 3 strategy=trace keeps this order, and strategy=toggle or strategy=tape do without it."
    )

    def __init__(self, game: Game) -> None:
        discriminator, combined = keras_models.pair(game)
        super().__init__(game, learn=discriminator.run, fool=combined.run)
        discriminator.compile()
        game.networks.discriminator.trainable = False
        combined.compile()
