"""The negative control: nothing is frozen in the combined model."""

from ganfreeze.strategy.base import Game, KnownFailure
from ganfreeze.strategy.engine import keras_models
from ganfreeze.strategy.engine.phases import PhaseByPhase


class Unfrozen(PhaseByPhase):
    """The combined model trains both networks: the generator phase teaches the discriminator to be fooled.

    This is `compile` without the line `discriminator.trainable = False`. The audit must catch it.
    """

    supports, conflicts = keras_models.SUPPORTS, keras_models.NO_XLA
    known_failure = KnownFailure(
        when={},
        diagnosis=(
            "strategy=unfrozen is the negative control: nothing is frozen in the combined model, so the generator "
            "phase teaches the discriminator to be fooled. Every other strategy freezes it; audit=record lets this "
            "one run."
        ),
    )

    def __init__(self, game: Game) -> None:
        discriminator, combined = keras_models.pair(game, combined_trains_both=True)
        super().__init__(game, discriminator=discriminator.run, generator=combined.run, judge=combined.judge)
        discriminator.compile()
        combined.compile()
