"""How fast the dcgan's convolutions are by themselves: python benchmarks/layers.py [batch]

Prints for each, forwards, for the gradient of its kernel and for that of its input, the milliseconds and the speed
beside that of a large matrix product. The generator's transposed convolutions are the same three, in another order.
"""

import math
import sys
from collections.abc import Callable
from time import perf_counter

import arithmetic

from ganfreeze import tensorflow as tf

LAYERS = ((28, 1, 64), (14, 64, 128))  # side, channels and filters of MNIST's discriminator; kernels 4x4, strides of 2
CALLS, ROUNDS = 20, 5


def main(batch: int) -> None:
    """Print a table."""
    print("| convolution | pass | float32 | of the product | bfloat16 | of the product |")
    print("| --- | --- | --- | --- | --- | --- |")
    peaks = {tf.float32: arithmetic.peak("float32"), tf.bfloat16: arithmetic.peak("bfloat16")}
    for side, channels, filters in LAYERS:
        work = 2 * batch * (side // 2) ** 2 * 16 * channels * filters
        shapes = {"x": (batch, side, side, channels), "kernel": (4, 4, channels, filters)}
        shapes["y"] = (batch, side // 2, side // 2, filters)
        passes = {"forwards": _forwards, "of the kernel": _of_the_kernel, "of the input": _of_the_input}
        for name, function in passes.items():
            cells = []
            for dtype, peak in peaks.items():
                tensors = {
                    key: tf.cast(tf.random.stateless_normal(shape, (0, 0)), dtype) for key, shape in shapes.items()
                }
                seconds = _seconds(function, tensors)
                cells += [f"{seconds * 1000:.2f} ms", f"{work / seconds / peak:.0%}"]
            print(f"| {side}x{side}, {channels} to {filters} | {name} | {' | '.join(cells)} |", flush=True)


def _forwards(x: tf.Tensor, kernel: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, 2, "SAME")


def _of_the_kernel(x: tf.Tensor, kernel: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    how = {"strides": (1, 2, 2, 1), "padding": "SAME"}
    return tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=kernel.shape, out_backprop=y, **how)


def _of_the_input(x: tf.Tensor, kernel: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d_transpose(y, kernel, x.shape, 2, "SAME")


def _seconds(function: Callable[..., tf.Tensor], tensors: dict[str, tf.Tensor]) -> float:
    """The best of several rounds of calls."""
    traced, best = tf.function(function, autograph=False), math.inf
    traced(**tensors)
    for _ in range(ROUNDS):
        began = perf_counter()
        for _ in range(CALLS):
            last = traced(**tensors)
        float(tf.cast(last, tf.float32)[0, 0, 0, 0])
        best = min(best, (perf_counter() - began) / CALLS)
    return best


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 64)
