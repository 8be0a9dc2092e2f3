"""The Keras idiom: compile the discriminator, freeze it, compile the combined model, and never thaw it."""

from ganfreeze.strategy.base import Game, KnownFailure
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase


class Compile(PhaseByPhase):
    """The discriminator is frozen between the two calls of `compile()`: right under Keras 2, wrong under Keras 3.

    Keras 2 remembers in `compile()` what is trainable, so the discriminator's trainer continues to train it. Keras 3
    reads the flag when it traces the train function, at the first batch. By then the discriminator is frozen
    everywhere, and it never trains.

    Only the first batch goes through `train_on_batch`. The later ones go straight to Keras' own train function, because
    what `train_on_batch` does around it takes longer than a small batch. Eager Keras 2 calls `train_on_batch` for every
    batch, because its train function then reads the flags at every batch.
    """

    supports, conflicts = keras_models.SUPPORTS, keras_models.CONFLICTS
    known_failure = KnownFailure(
        when={"keras": ["keras3"]},
        diagnosis=(
            "Keras 3 reads `trainable` when it traces a train function, at the first batch, not in compile(). By then "
            "the discriminator is frozen everywhere, so it never trains. keras=keras2 works: it reads the flag in "
            "compile(). Under Keras 3, strategy=trace keeps this order, and strategy=toggle or strategy=tape work "
            "without it."
        ),
    )

    def __init__(self, game: Game) -> None:
        discriminator, combined = keras_models.pair(game)
        super().__init__(game, discriminator=discriminator.run, generator=combined.run, judge=combined.judge)
        discriminator.compile()
        game.networks.discriminator.trainable = False
        combined.compile()
