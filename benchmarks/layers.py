"""Time single layers, as the libraries compute them and as ganfreeze does: python benchmarks/layers.py [batch] [rows]

The first table has the convolutions of the dcgan. Each has a forward pass, the gradient of its kernel and the gradient
of its input: the milliseconds, and the speed beside that of a large matrix product. The generator's transposed
convolutions are these three passes too, in another order.

The second table has the dense layers of the mlp, compiled by XLA: the gradient of their input.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import arithmetic

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.layers import convolutions
from ganfreeze.gan.layers.dense import back

CONVOLUTIONS = ((28, 1, 64), (14, 64, 128))  # side, channels and filters in the discriminator for MNIST
DENSE = ((256, 512), (512, 1024), (1024, 784), (784, 512), (512, 256))  # inputs and units, in both networks
CALLS, ROUNDS = 20, 5


def main(batch: int = 64, rows: int = 32) -> None:
    """Print two tables."""
    print("| convolution | pass | float32 | of the product | bfloat16 | of the product |")
    print("| --- | --- | --- | --- | --- | --- |")
    peaks = {tf.float32: arithmetic.peak("float32"), tf.bfloat16: arithmetic.peak("bfloat16")}
    # Each pass has a function and the tensors that it takes: the input x, the kernel, the output (or its gradient) y.
    passes = {
        "forwards": (_forwards, ("x", "kernel")),
        "of the kernel": (_of_the_kernel, ("x", "kernel", "y")),
        "of the input": (_of_the_input, ("x", "kernel", "y")),
        "of the kernel, by products": (convolutions._of_kernel_by_products, ("x", "y")),
        "of the input, by a product": (convolutions._doubled_by_product, ("y", "kernel")),
    }
    for side, channels, filters in CONVOLUTIONS:
        work = 2 * batch * (side // 2) ** 2 * 16 * channels * filters
        shapes = {
            "x": (batch, side, side, channels),
            "kernel": (4, 4, channels, filters),
            "y": (batch, side // 2, side // 2, filters),
        }
        for name, (function, keys) in passes.items():
            cells = []
            for dtype, peak in peaks.items():
                tensors = _random(shapes, dtype)
                seconds = _seconds(function, [tensors[key] for key in keys])
                cells += [f"{seconds * 1000:.2f} ms", f"{work / seconds / peak:.0%}"]
            print(f"| {side}x{side}, {channels} to {filters} | {name} | {' | '.join(cells)} |", flush=True)
    print(f"\n| dense, {rows} rows | by the transposed kernel | with the kernel as it lies |\n| --- | --- | --- |")
    for inputs, units in DENSE:
        tensors = _random({"y": (rows, units), "kernel": (inputs, units)}, tf.float32)
        cells = [f"{_compiled_seconds(function, tensors) * 1e6:.0f} us" for function in (_by_transposed_kernel, back)]
        print(f"| {inputs} to {units} | {' | '.join(cells)} |", flush=True)


def _forwards(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, 2, "SAME")


def _of_the_kernel(x: tf.Tensor, kernel: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=kernel.shape, out_backprop=y, strides=(1, 2, 2, 1), padding="SAME"
    )


def _of_the_input(x: tf.Tensor, kernel: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d_transpose(y, kernel, x.shape, 2, "SAME")


def _by_transposed_kernel(y: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.matmul(y, kernel, transpose_b=True)


def _random(shapes: Mapping[str, tuple[int, ...]], dtype: tf.DType) -> dict[str, tf.Tensor]:
    return {key: tf.cast(tf.random.stateless_normal(shape, (0, 0)), dtype) for key, shape in shapes.items()}


def _seconds(function: Callable[..., tf.Tensor], tensors: Sequence[tf.Tensor]) -> float:
    """Return the seconds of a call, the best of several rounds of calls."""
    traced, best = tf.function(function, autograph=False), math.inf
    last = traced(*tensors)
    for _ in range(ROUNDS):
        began = perf_counter()
        for _ in range(CALLS):
            last = traced(*tensors)
        float(tf.cast(last, tf.float32)[0, 0, 0, 0])
        best = min(best, (perf_counter() - began) / CALLS)
    return best


def _compiled_seconds(function: Callable[..., tf.Tensor], tensors: dict[str, tf.Tensor]) -> float:
    """Return the seconds of a call in a compiled loop, the best of several rounds.

    Each call of the loop waits for the one before it. Calls from Python would not do here: such a call takes as long as
    the function itself.
    """

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
