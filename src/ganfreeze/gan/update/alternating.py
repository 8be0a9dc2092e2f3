"""The textbook's step: one phase after the other."""

from dataclasses import dataclass

from ganfreeze.gan.update.base import Update


@dataclass(frozen=True, kw_only=True)
class Alternating(Update):
    """A joint update of the discriminator on real and fake images, then one of the generator on fresh noise. The fakes
    come from the generator in training mode.

    Source: Goodfellow et al. 2014, algorithm 1.
    """
