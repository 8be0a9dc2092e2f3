"""The textbook step: one phase after the other."""

from dataclasses import dataclass

from ganfreeze.gan.update.base import Update


@dataclass(frozen=True, kw_only=True)
class Alternating(Update):
    """One phase after the other: a joint update of the discriminator, then an update of the generator.

    The discriminator sees a real and a fake batch in one update. The fakes come from the generator in training mode.
    The generator is updated on fresh noise.

    Source: Goodfellow et al. 2014, algorithm 1.
    """
