"""The two networks of a GAN."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganfreeze.types import Model, Variable


@dataclass(frozen=True)
class Networks:
    """The generator, (batch, latent_dim) to examples, images in [-1, 1] or points, and the discriminator, examples to
    logits (batch, 1).

    A discriminator with a `packing` above 1 takes that many examples at a time, and gives each pack one logit:
    (batch / packing, 1). `held` are layers of the discriminator that stay still in its own phase as well, their
    `trainable` being False, and `held_weights` what would else be trained of them. `independent` is True where the
    discriminator judges an example, or a pack, by itself, whatever else is in the batch: then real examples and fakes
    may be judged in one.
    """

    generator: Model
    discriminator: Model
    latent_dim: int
    packing: int = 1
    held: Sequence[Any] = ()
    held_weights: Sequence[Variable] = ()
    independent: bool = False

    def thaw(self) -> None:
        """Set the discriminator's flag to True, which Keras passes on to every layer, and back to False where held."""
        self.discriminator.trainable = True
        for layer in self.held:
            layer.trainable = False
