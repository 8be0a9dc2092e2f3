"""What networks are made of: their layers, nested ones too, and which of these need special care."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from ganfreeze.gan.layers.random import is_random
from ganfreeze.gan.networks import Networks
from ganfreeze.types import Model, Variable


def unlike(networks: Networks, others: Networks) -> Iterator[str]:
    """Yield the name of each layer whose variables differ between two builds, as "the discriminator's dense_1"."""
    for network in ("generator", "discriminator"):
        names: dict[str, None] = {}
        for variable, other in zip_longest(getattr(networks, network).weights, getattr(others, network).weights):
            if variable is None or other is None or not np.array_equal(variable.numpy(), other.numpy()):
                present: Any = other if variable is None else variable
                names[getattr(present, "path", present.name).rpartition("/")[0]] = None
        yield from (f"the {network}'s {name}" for name in names)


def layers(model: Model) -> Iterator[Any]:
    """Yield every layer of a model, also those inside nested models, wrappers and layers."""
    yield from model._flatten_layers(include_self=False)  # both Keras have it; there is no public way


def overwritten(model: Model) -> Iterator[Variable]:
    """Yield the kernels that layers of a model overwrite in training mode, whatever their `trainable` flags say.

    In both Keras, SpectralNormalization divides the kernel of the layer that it wraps by an estimate of its largest
    singular value.
    """
    for layer in layers(model):
        if "SpectralNormalization" in _classes(layer) and hasattr(layer, "kernel") and hasattr(layer, "vector_u"):
            yield layer.kernel


def unshareable(keras: Any, networks: Networks) -> Iterator[str]:
    """Yield the name of each layer that would compute something else if devices shared the batch.

    A random layer would draw other numbers. A BatchNormalization would normalize by a part of the batch, unless it is
    synchronized, as those of `gan.layers.batch_norm` are.
    """
    for layer in (*layers(networks.generator), *layers(networks.discriminator)):
        if is_random(layer) or (isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized):
            yield layer.name


def has_batch_norm(keras: Any, model: Model) -> bool:
    """Return whether a layer of the model is a BatchNormalization."""
    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers(model))


def has_other_modes(model: Model) -> bool:
    """Return whether another layer than BatchNormalization differs in training mode.

    Those are random layers, and spectral normalization: both Keras' own, and that of `gan/layers`.
    """
    names = {"SpectralNormalization", "SpectralNorm"}
    return has_random_layers(model) or any(names & _classes(layer) for layer in layers(model))


def has_random_layers(model: Model) -> bool:
    """Return whether a layer of the model draws random numbers in training mode."""
    return any(is_random(layer) for layer in layers(model))


def _classes(layer: Any) -> set[str]:
    return {base.__name__ for base in type(layer).__mro__}
