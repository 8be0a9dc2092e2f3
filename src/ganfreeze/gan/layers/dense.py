"""Dense layers whose gradient leaves their kernel as it lies in memory."""

from collections.abc import Callable
from typing import Any

from ganfreeze.backend import machine
from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor


def dense(keras: Any, units: int, **options: Any) -> Any:
    """`Dense(units)` of either Keras, (batch, inputs) to (batch, units).

    The gradient of what came in is a product with the transposed kernel, and XLA, for one, transposes a kernel of a
    million weights before it multiplies 32 rows by it, which can take as long as the product. Here the product is that
    of the kernel and the transposed rows, and its small result is transposed (`python benchmarks/layers.py`).
    """

    class Dense(keras.layers.Dense):
        def call(self, inputs: Tensor) -> Tensor:
            product = _product(tf.convert_to_tensor(inputs), tf.convert_to_tensor(self.kernel))
            biased = tf.nn.bias_add(product, tf.convert_to_tensor(self.bias)) if self.use_bias else product
            return self.activation(biased)

    return (keras.layers.Dense if machine.gpus() else Dense)(units, **options)


def _product(rows: Tensor, kernel: Tensor) -> Tensor:
    """(b, inputs) and (inputs, units) to (b, units)."""

    def multiply(rows: Tensor, kernel: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            return back(upstream, kernel), tf.matmul(rows, upstream, transpose_a=True)

        return tf.matmul(rows, kernel), gradients

    return tf.custom_gradient(multiply)(rows, kernel)


def back(upstream: Tensor, kernel: Tensor) -> Tensor:
    """(b, units) and (inputs, units) to (b, inputs).

    XLA would take a transposed product for the product of transposed matrices again; the maximum, which changes no
    finite number, keeps the two apart. An infinite one of half precision has to stay one, for the loss's scale is found
    by it, so there the product is the plain one.
    """
    if upstream.dtype.size == 2:
        return tf.matmul(upstream, kernel, transpose_b=True)
    return tf.transpose(tf.maximum(tf.matmul(kernel, upstream, transpose_b=True), upstream.dtype.min))
