"""Count the arithmetic of a training step, and measure how fast this machine can compute at best."""

import math
from collections.abc import Iterator
from time import perf_counter
from typing import Any, NamedTuple

from ganfreeze.backend import tensorflow as tf

_SIDE = 2048  # of the two square matrices that measure the peak


class Pass(NamedTuple):
    """The multiply-adds of a network for one example.

    - `forward`: the forward pass.
    - `weights`: the gradients of the weights.
    - `inputs`: the gradients of the inputs of all layers but the first.
    - `own_input`: the gradient of the network's own input, which is the input of the first layer.
    """

    forward: int
    weights: int
    inputs: int
    own_input: int


def step(generator: Any, discriminator: Any, batch: int, *, reused: bool) -> float:
    """Return the floating-point operations that one step needs.

    Each multiply-add of a dense or a convolutional layer counts as two operations. Elementwise operations do not count.
    Work that a step does not need does not count either.

    - Discriminator phase: a forward pass of the generator. Forward passes of the discriminator on real examples and on
      fakes, and the gradients of its weights on both.
    - Generator phase: a forward pass of the generator, unless the fakes are `reused`. A forward pass of the
      discriminator, the gradients back through it to its input, and the gradients of the generator's weights.
    """
    g, d = _pass(generator), _pass(discriminator)
    discriminator_phase = g.forward + 2 * (d.forward + d.weights + d.inputs)
    generator_phase = (0 if reused else g.forward) + d.forward + d.inputs + d.own_input + g.weights + g.inputs
    return 2.0 * batch * (discriminator_phase + generator_phase)


def peak(precision: str = "float32") -> float:
    """Return the floating-point operations per second of a product of two large matrices: the best of ten."""
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
    """Yield the multiply-adds of the forward pass of each layer that has a kernel, in order.

    A dense layer uses each weight once. A convolution uses each weight once for each place: of its output, or of its
    input if it is transposed.
    """
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            shape = layer.input.shape if "Transpose" in type(layer).__name__ else layer.output.shape
            places = math.prod(shape[1:-1]) if len(shape) == 4 else 1
            yield math.prod(layer.kernel.shape) * places
