"""The two networks of a GAN."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganfreeze.types import Model, Variable


@dataclass(frozen=True)
class Networks:
    """A generator and a discriminator.

    The generator maps (batch, latent_dim) to examples, images in [-1, 1] or points. The discriminator maps examples to
    logits (batch, 1). With `packing` above 1 it judges that many examples at once, and gives each pack one logit:
    (batch / packing, 1).

    `held` are layers of the discriminator that stay frozen even in the discriminator phase: their `trainable` is False.
    `held_weights` are their weights that would train otherwise. `independent` is True if the logit of an example, or of
    a pack, does not depend on the rest of the batch. Real examples and fakes can then be judged in one batch.

    `seed` drives the random layers of both, such as Dropout: see `ganfreeze.gan.layers.random`. None if there are none.
    """

    generator: Model
    discriminator: Model
    latent_dim: int
    packing: int = 1
    held: Sequence[Any] = ()
    held_weights: Sequence[Variable] = ()
    independent: bool = False
    seed: Variable | None = None

    def thaw(self) -> None:
        """Set the discriminator's `trainable` to True, and that of its `held` layers back to False.

        Keras passes the flag on to every layer.
        """
        self.discriminator.trainable = True
        for layer in self.held:
            layer.trainable = False
