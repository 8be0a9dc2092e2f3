"""The careful Keras way: each trainer is compiled once, and the flag is set before each phase."""

from collections.abc import Mapping
from typing import Any

from ganfreeze import phases, trainers
from ganfreeze.streams import Streams
from ganfreeze.types import Loss, Networks, Optimizers, Phase, PhaseName, Scalars, Strategy, Tensor, Update


class Toggle(Strategy):
    """The flag says the same when a trainer is compiled, traced and run, so it works under both Keras, whichever of the
    three they look at.
    """

    def __init__(self, *, keras: Any, networks: Networks, loss: Loss, optimizers: Optimizers, update: Update) -> None:
        self._update, self._networks = update, networks
        self._discriminator, self._combined = trainers.pair(
            keras=keras, networks=networks, loss=loss, optimizers=optimizers, update=update
        )
        networks.discriminator.trainable = True
        self._discriminator.compile()
        networks.discriminator.trainable = False
        self._combined.compile()
        self.phases: Mapping[PhaseName, Phase] = {
            "discriminator": Phase("discriminator", networks.discriminator, self._learn),
            "generator": Phase("generator", networks.generator, self._fool),
        }

    def advance(self, streams: Streams, step: int, steps: int) -> Scalars:
        return phases.advance(self.phases, self._update, streams, step, steps)

    def _learn(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        self._networks.discriminator.trainable = True
        return self._discriminator.run(real, latent)

    def _fool(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        self._networks.discriminator.trainable = False
        return self._combined.run(real, latent)
