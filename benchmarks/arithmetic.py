"""How much arithmetic a step is, and how fast this machine can do it at its best."""

import math
from collections.abc import Iterator
from time import perf_counter
from typing import Any, NamedTuple

from ganfreeze.backend import tensorflow as tf

_SIDE = 2048  # of the matrices whose product is the measured peak


class Pass(NamedTuple):
    """Multiply-adds of a network for one example: forwards, and what the gradients of its weights and of its inputs
    take, the latter without those of the network's own input."""

    forward: int
    weights: int
    inputs: int
    own_input: int


def step(generator: Any, discriminator: Any, batch: int, *, reused: bool) -> float:
    """Floating-point operations of one step, two for each multiply-add of a dense or a convolutional layer; what is
    elementwise is left out, and so is all that need not be computed.

    Discriminator phase: the generator forwards; the discriminator forwards on real examples and fakes, and the
    gradients of its weights on both. Generator phase: the generator forwards unless the fakes are `reused`, the
    discriminator forwards; gradients back through the discriminator to its input, and of the generator's weights.
    """
    g, d = (_pass(each) for each in (generator, discriminator))
    learn = g.forward + 2 * (d.forward + d.weights + d.inputs)
    fool = (0 if reused else g.forward) + d.forward + d.inputs + d.own_input + g.weights + g.inputs
    return 2.0 * batch * (learn + fool)


def peak(precision: str = "float32") -> float:
    """Floating-point operations a second of the product of two large matrices: the best of several."""
    dtype = {"float32": tf.float32, "bfloat16": tf.bfloat16}[precision]
    matrix = tf.cast(tf.random.stateless_normal((_SIDE, _SIDE), (0, 0)), dtype)
    multiply = tf.function(tf.matmul, autograph=False)
    multiply(matrix, matrix)
    best = math.inf
    for _ in range(10):
        began = perf_counter()
        float(multiply(matrix, matrix)[0, 0])
        best = min(best, perf_counter() - began)
    return 2 * _SIDE**3 / best


def _pass(network: Any) -> Pass:
    layers = list(_multiply_adds(network))
    total = sum(layers)
    return Pass(forward=total, weights=total, inputs=total - layers[0], own_input=layers[0])


def _multiply_adds(network: Any) -> Iterator[int]:
    """Of each layer with a kernel, in order: each weight of a dense one is used once, that of a convolution once for
    each place, of the input where the convolution is transposed, else of the output."""
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            shape = layer.input.shape if "Transpose" in type(layer).__name__ else layer.output.shape
            places = math.prod(shape[1:-1]) if len(shape) == 4 else 1
            yield math.prod(layer.kernel.shape) * places
