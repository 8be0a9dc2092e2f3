"""What networks are made of: their layers, nested ones too, and which of these need special care."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ganfreeze.gan.layers.random import is_random
from ganfreeze.gan.networks import Networks
from ganfreeze.types import Model, Variable


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


def has_random_layers(model: Model) -> bool:
    """Return whether a layer of the model draws random numbers in training mode."""
    return any(is_random(layer) for layer in layers(model))
