"""The Keras idiom backwards: the combined model is compiled while the discriminator is frozen, which is then thawed."""

from typing import ClassVar

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase
from ganfreeze.types import Choices


class Reverse(PhaseByPhase):
    """Freeze the discriminator, compile the combined model, thaw the discriminator, compile its trainer last.

    Keras 2 remembers in `compile()` what is trainable, so the order does not matter. Under Keras 3 the discriminator is
    thawed everywhere by the time that the combined model is traced, and the generator phase trains it too.
    """

    limits, refuses = keras_models.LIMITS, keras_models.REFUSES
    fails: ClassVar[Choices] = {"keras": ["keras3"]}
    diagnosis = (
        "Keras 3 reads `trainable` when a train function is traced, at the first batch, not in compile(); by then the "
        "discriminator is thawed everywhere, and the combined model trains it too. keras=keras2 remembers the flag at "
        "compile(); under Keras 3 strategy=toggle or strategy=tape would work."
    )

    def __init__(self, game: Game) -> None:
        discriminator, combined = keras_models.pair(game, combined_trains_both=True)
        super().__init__(game, learn=discriminator.run, fool=combined.run)
        game.networks.discriminator.trainable = False
        combined.compile()
        game.networks.thaw()
        discriminator.compile()
