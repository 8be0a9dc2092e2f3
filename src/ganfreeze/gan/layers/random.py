"""Random layers, such as Dropout, driven by the batch: the same masks under every mechanism and both Keras.

Left to itself, a Dropout draws from a state of its own, which moves with every call. Then no two runs of a phase are
equal, and no two mechanisms can be compared.

Here the numbers of a layer depend on a seed and on the layer's place only. The seed is a variable that each phase sets
first, from the bits of its latent batch and from its name. The latent batch is a pure function of the run's seed, the
step and the phase, so the numbers are too. Within a phase, all calls of a layer draw the same numbers: a real and a
fake batch that are judged one after the other get the same mask. The numbers are computed from random integers, which
XLA draws as plain kernels do.
"""

from collections.abc import Callable, Iterable
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput
from ganfreeze.types import PhaseName, Tensor, Variable

_PHASES: dict[PhaseName, int] = {"discriminator": 0, "generator": 1}
_PLACES = 2**16  # more than a network has layers
_BITS = 23  # of a random number in [0, 1)


def is_random(layer: Any) -> bool:
    """Return whether a layer of either Keras draws random numbers in training mode.

    Recurrent layers have a generator too, but draw only if they drop.
    """
    has_generator = hasattr(layer, "seed_generator") or hasattr(layer, "_random_generator")  # Keras 3, Keras 2
    return has_generator and not (hasattr(layer, "recurrent_dropout") and not layer.dropout + layer.recurrent_dropout)


def drive(keras: Any, layers: Iterable[Any]) -> Variable | None:
    """Let the random ones of these layers draw from a common seed, and return it; None if there is none.

    Raises:
        BadInput: a random layer is none of Dropout, SpatialDropout, GaussianDropout and GaussianNoise.
    """
    random_layers = [layer for layer in layers if is_random(layer)]
    if not random_layers:
        return None
    seed = tf.Variable([0, 0], dtype=tf.int32, trainable=False, name="random_layers")
    for place, layer in enumerate(random_layers):
        noise = _noise(keras, layer)
        if noise is None:
            raise BadInput(
                f"the layer {layer.name} is a {type(layer).__name__}: of random layers, only Dropout, SpatialDropout, "
                "GaussianDropout and GaussianNoise can be given the same numbers under every strategy"
            )
        layer.call = _driven(noise, seed, place)
    return seed


def set_seed(seed: Variable, phase: PhaseName, latent: Tensor) -> None:
    """Set the seed of a phase that is about to run on this latent batch, (batch, latent_dim)."""
    seed.assign(tf.stack([bits(latent), _PHASES[phase]]))


def bits(latent: Tensor) -> Tensor:
    """Return the sum of the bits of a latent batch, int32: the seed of what is drawn for it."""
    return tf.reduce_sum(tf.bitcast(tf.cast(latent, tf.float32), tf.int32))


def uniform(shape: Any, seed: Tensor) -> Tensor:
    """Return numbers in [0, 1), float32; `seed` is two integers. XLA draws the same ones."""
    integers = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox")
    return tf.cast(tf.bitwise.bitwise_and(integers, tf.constant(2**_BITS - 1, tf.uint32)), tf.float32) * 2.0**-_BITS


def _driven(noise: Callable[[Tensor, Tensor], Tensor], seed: Variable, place: int) -> Callable[..., Tensor]:
    def call(inputs: Tensor, training: bool | None = None) -> Tensor:
        inputs = tf.convert_to_tensor(inputs)
        return noise(inputs, seed + tf.constant([0, _PLACES * (place + 1)])) if training else inputs

    return call


def _noise(keras: Any, layer: Any) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Return what a layer does to its inputs, with a seed for its numbers; None if it is of an unknown kind."""
    layers = keras.layers
    if isinstance(layer, layers.GaussianNoise):
        return lambda inputs, seed: inputs + layer.stddev * _normal(inputs, seed)
    if isinstance(layer, layers.GaussianDropout):
        deviation = (layer.rate / (1 - layer.rate)) ** 0.5
        return lambda inputs, seed: inputs * (1 + deviation * _normal(inputs, seed))
    if isinstance(layer, layers.Dropout):
        return lambda inputs, seed: _dropout(layer, inputs, seed)
    return None


def _dropout(layer: Any, inputs: Tensor, seed: Tensor) -> Tensor:
    """Return the inputs, each set to 0 with probability `rate`, the others divided by 1 - `rate`."""
    sizes = tf.unstack(tf.shape(inputs))
    if "Spatial" in type(layer).__name__:  # whole channels are dropped
        sizes = [sizes[0], *[1] * (len(sizes) - 2), sizes[-1]]
    elif layer.noise_shape is not None:
        sizes = [size if given is None else given for size, given in zip(sizes, layer.noise_shape, strict=True)]
    is_kept = uniform(tf.stack(sizes), seed) >= layer.rate
    return tf.where(is_kept, inputs / tf.cast(1 - layer.rate, inputs.dtype), tf.zeros((), inputs.dtype))


def _normal(inputs: Tensor, seed: Tensor) -> Tensor:
    """Return numbers from N(0, 1) of the shape and type of the inputs (Box & Muller 1958)."""
    first = 1 - uniform(tf.shape(inputs), seed)  # above 0
    second = uniform(tf.shape(inputs), seed + tf.constant([0, _PLACES // 2]))
    return tf.cast(tf.sqrt(-2 * tf.math.log(first)) * tf.cos(2 * 3.141592653589793 * second), inputs.dtype)
