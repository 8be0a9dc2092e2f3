"""The two networks of a GAN."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

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
    """

    generator: Model
    discriminator: Model
    latent_dim: int
    packing: int = 1
    held: Sequence[Any] = ()
    held_weights: Sequence[Variable] = ()
    independent: bool = False

    def thaw(self) -> None:
        """Set the discriminator's `trainable` to True, and that of its `held` layers back to False.

        Keras passes the flag on to every layer.
        """
        self.discriminator.trainable = True
        for layer in self.held:
            layer.trainable = False


def unlike(networks: Networks, others: Networks) -> Iterator[str]:
    """Yield the name of each layer whose weights differ between two builds, as "discriminator's dense_1"."""
    for network in ("generator", "discriminator"):
        pairs = zip(layers(getattr(networks, network)), layers(getattr(others, network)), strict=True)
        for layer, other in pairs:
            if (
                not hasattr(layer, "layers")
                and not hasattr(layer, "layer")
                and any(
                    not np.array_equal(a.numpy(), b.numpy()) for a, b in zip(layer.weights, other.weights, strict=True)
                )
            ):
                yield f"the {network}'s {layer.name}"


def layers(model: Model) -> Iterator[Any]:
    """Yield every layer of a model, those of nested models and of wrappers too."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from layers(layer)
        elif hasattr(layer, "layer"):
            yield layer.layer


def overwritten(model: Model) -> Iterator[Variable]:
    """Yield the variables that layers of a model overwrite in training mode, whatever their `trainable` flags say.

    In both Keras, SpectralNormalization divides the kernel of the layer that it wraps by an estimate of its largest
    singular value, and keeps a vector for the next estimate.
    """
    for layer in layers(model):
        if any(base.__name__ == "SpectralNormalization" for base in type(layer).__mro__):
            yield from (layer.kernel, layer.vector_u)


def has_batch_norm(keras: Any, model: Model) -> bool:
    """Return whether a layer of the model is a BatchNormalization."""
    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers(model))


def has_random_layers(keras: Any, model: Model) -> bool:
    """Return whether a layer of the model draws random numbers in training mode."""
    kinds = keras.layers.Dropout, keras.layers.GaussianNoise, keras.layers.GaussianDropout, keras.layers.AlphaDropout
    return any(isinstance(layer, kinds) for layer in layers(model))
