"""How fast single layers are, by the libraries and as ganfreeze has them: python benchmarks/layers.py [batch] [rows]

First the dcgan's convolutions: for each, forwards, for the gradient of its kernel and for that of its input, the
milliseconds and the speed beside that of a large matrix product. The generator's transposed convolutions are the same
three, in another order. Then, of the mlp's dense layers, compiled by XLA, the gradient of what came in.
"""

import math
import sys
from collections.abc import Callable, Mapping
from time import perf_counter

import arithmetic

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.layers import convolutions
from ganfreeze.gan.layers.dense import back

CONVOLUTIONS = ((28, 1, 64), (14, 64, 128))  # side, channels and filters of MNIST's discriminator
DENSE = ((256, 512), (512, 1024), (1024, 784), (784, 512), (512, 256))  # inputs and units, in both networks
CALLS, ROUNDS = 20, 5


def main(batch: int = 64, rows: int = 32) -> None:
    """Print two tables."""
    print("| convolution | pass | float32 | of the product | bfloat16 | of the product |")
    print("| --- | --- | --- | --- | --- | --- |")
    peaks = {tf.float32: arithmetic.peak("float32"), tf.bfloat16: arithmetic.peak("bfloat16")}
    for side, channels, filters in CONVOLUTIONS:
        work = 2 * batch * (side // 2) ** 2 * 16 * channels * filters
        shapes = {"x": (batch, side, side, channels), "kernel": (4, 4, channels, filters)}
        shapes["y"] = (batch, side // 2, side // 2, filters)
        passes = {"forwards": _forwards, "of the kernel": _of_the_kernel, "of the input": _of_the_input}
        passes["of the kernel, by products"] = lambda x, kernel, y: convolutions._of_kernel_by_products(x, y)
        passes["of the input, by a product"] = lambda x, kernel, y: convolutions._doubled_by_product(y, kernel)
        for name, function in passes.items():
            cells = []
            for dtype, peak in peaks.items():
                seconds = _seconds(function, _random(shapes, dtype))
                cells += [f"{seconds * 1000:.2f} ms", f"{work / seconds / peak:.0%}"]
            print(f"| {side}x{side}, {channels} to {filters} | {name} | {' | '.join(cells)} |", flush=True)
    print(f"\n| dense, {rows} rows | by the transposed kernel | with the kernel as it lies |\n| --- | --- | --- |")
    for inputs, units in DENSE:
        tensors = _random({"y": (rows, units), "kernel": (inputs, units)}, tf.float32)
        ways = (lambda y, kernel: tf.matmul(y, kernel, transpose_b=True)), back
        cells = [f"{_compiled_seconds(way, tensors) * 1e6:.0f} us" for way in ways]
        print(f"| {inputs} to {units} | {' | '.join(cells)} |", flush=True)


def _forwards(x: tf.Tensor, kernel: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, 2, "SAME")


def _of_the_kernel(x: tf.Tensor, kernel: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    how = {"strides": (1, 2, 2, 1), "padding": "SAME"}
    return tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=kernel.shape, out_backprop=y, **how)


def _of_the_input(x: tf.Tensor, kernel: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d_transpose(y, kernel, x.shape, 2, "SAME")


def _random(shapes: Mapping[str, tuple[int, ...]], dtype: tf.DType) -> dict[str, tf.Tensor]:
    return {key: tf.cast(tf.random.stateless_normal(shape, (0, 0)), dtype) for key, shape in shapes.items()}


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


def _compiled_seconds(function: Callable[..., tf.Tensor], tensors: dict[str, tf.Tensor]) -> float:
    """The best of several rounds of a compiled loop, in which each call waits for the last: a call from Python would
    take as long as what it calls."""

    @tf.function(autograph=False, jit_compile=True)
    def loop(y: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        again = lambda y: (y + 1e-9 * function(y, kernel)[:1, :1],)  # noqa: E731
        return tf.while_loop(lambda _: True, again, (y,), maximum_iterations=CALLS)[0]

    loop(**tensors)
    best = math.inf
    for _ in range(ROUNDS):
        began = perf_counter()
        float(loop(**tensors)[0, 0])
        best = min(best, (perf_counter() - began) / CALLS)
    return best


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
