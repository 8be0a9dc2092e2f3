"""The negative control: nothing is frozen in the combined model."""

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase


class Unfrozen(PhaseByPhase):
    """The combined model trains all that it holds: in the generator phase the discriminator is taught to be fooled.

    The line `discriminator.trainable = False` is left out; the rest is `compile`. The audit must catch it.
    """

    limits, refuses = keras_models.LIMITS, keras_models.REFUSES
    diagnosis = (
        "strategy=unfrozen is the negative control: nothing is frozen in the combined model, and the generator phase "
        "teaches the discriminator to be fooled. Any other strategy freezes it; audit=record lets this one run."
    )

    def __init__(self, game: Game) -> None:
        discriminator, combined = keras_models.pair(game, combined_trains_both=True)
        super().__init__(game, learn=discriminator.run, fool=combined.run)
        discriminator.compile()
        combined.compile()
