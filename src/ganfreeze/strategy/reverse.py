"""The Keras idiom backwards: freeze the discriminator, compile the combined model, and then thaw the discriminator."""

from ganfreeze.strategy.base import Game, KnownFailure
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase


class Reverse(PhaseByPhase):
    """The combined model is compiled first, while the discriminator is frozen, and the discriminator's trainer last.

    Keras 2 remembers in `compile()` what is trainable, so the order does not matter. Keras 3 reads the flag when it
    traces the combined model. By then the discriminator is thawed everywhere, so the generator phase trains it too.
    """

    supports, conflicts = keras_models.SUPPORTS, keras_models.CONFLICTS
    known_failure = KnownFailure(
        when={"keras": ["keras3"]},
        diagnosis=(
            "Keras 3 reads `trainable` when it traces a train function, at the first batch, not in compile(). By then "
            "the discriminator is trainable everywhere, so the combined model trains it too. keras=keras2 works: it "
            "reads the flag in compile(). Under Keras 3, strategy=toggle or strategy=tape work."
        ),
    )

    def __init__(self, game: Game) -> None:
        discriminator, combined = keras_models.pair(game, combined_trains_both=game.keras.__name__ == "keras")
        super().__init__(game, discriminator=discriminator.run, generator=combined.run, judge=combined.judge)
        game.networks.discriminator.trainable = False
        combined.compile()
        game.networks.thaw()
        discriminator.compile()
