"""Dense layers whose gradient needs no transposed copy of the kernel."""

from collections.abc import Callable
from typing import Any

from ganfreeze.backend import machine
from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor


def dense(keras: Any, units: int, **options: Any) -> Any:
    """Return a layer `Dense(units)` of either Keras: (batch, inputs) to (batch, units).

    The gradient of the inputs is a product with the transposed kernel. XLA, for example, first transposes a kernel of a
    million weights to multiply it by 32 rows; this can take as long as the product. Here the kernel is multiplied by
    the transposed rows, and the small result is transposed. `python benchmarks/layers.py` times both.
    """

    class Dense(keras.layers.Dense):
        def call(self, inputs: Tensor) -> Tensor:
            product = _product(tf.convert_to_tensor(inputs), tf.convert_to_tensor(self.kernel))
            biased = tf.nn.bias_add(product, tf.convert_to_tensor(self.bias)) if self.use_bias else product
            return self.activation(biased)

    return (keras.layers.Dense if machine.gpus() else Dense)(units, **options)


def _product(rows: Tensor, kernel: Tensor) -> Tensor:
    """Return rows @ kernel: (b, inputs) and (inputs, units) to (b, units)."""

    def multiply(rows: Tensor, kernel: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            return back(upstream, kernel), tf.matmul(rows, upstream, transpose_a=True)

        return tf.matmul(rows, kernel), gradients

    return tf.custom_gradient(multiply)(rows, kernel)


def back(upstream: Tensor, kernel: Tensor) -> Tensor:
    """Return the gradient of the inputs, upstream @ kernel^T: (b, units) and (inputs, units) to (b, inputs).

    XLA would rewrite a transposed product as a product of transposed matrices. The maximum between product and
    transpose prevents this, and changes no finite number. In half precision the product is the plain one: there an
    infinite value must stay infinite, because the optimizer finds the scale of the loss by it.
    """
    if upstream.dtype.size == 2:
        return tf.matmul(upstream, kernel, transpose_b=True)
    return tf.transpose(tf.maximum(tf.matmul(kernel, upstream, transpose_b=True), upstream.dtype.min))
