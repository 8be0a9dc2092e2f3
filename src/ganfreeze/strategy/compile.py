"""The Keras idiom: compile the discriminator, freeze it, compile the combined model, never thaw it."""

from collections.abc import Mapping
from typing import Any

from ganfreeze import phases, trainers
from ganfreeze.streams import Streams
from ganfreeze.types import Loss, Networks, Optimizers, Phase, PhaseName, Scalars, Strategy, Update


class Compile(Strategy):
    """Keras 2 remembers in `compile()` what is trainable, so the discriminator's trainer goes on training.

    Keras 3 asks for the flag when it traces the train function, at the first batch: by then the discriminator is
    frozen everywhere, and it never trains.
    """

    def __init__(self, *, keras: Any, networks: Networks, loss: Loss, optimizers: Optimizers, update: Update) -> None:
        self._update = update
        discriminator, combined = trainers.pair(
            keras=keras, networks=networks, loss=loss, optimizers=optimizers, update=update
        )
        discriminator.compile()
        networks.discriminator.trainable = False
        combined.compile()
        self.phases: Mapping[PhaseName, Phase] = {
            "discriminator": Phase("discriminator", networks.discriminator, discriminator.run),
            "generator": Phase("generator", networks.generator, combined.run),
        }

    def advance(self, streams: Streams, step: int, steps: int) -> Scalars:
        return phases.advance(self.phases, self._update, streams, step, steps)
