"""LeakyReLU, with a gradient that leaves what came in alone."""

from collections.abc import Callable
from typing import Any

from ganfreeze.backend import machine
from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor


def leaky_relu(keras: Any, slope: float) -> Any:
    """`LeakyReLU(slope)` of either Keras: max(x, slope x), for a slope above 0.

    The result has the sign of x, which is all that the gradient asks for. TensorFlow's keeps x for it; without that, a
    convolution or a product, its bias and this can be one operation, and there is less to keep.
    """

    def activate(x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        result = tf.nn.leaky_relu(x, slope)
        return result, lambda upstream: tf.raw_ops.LeakyReluGrad(gradients=upstream, features=result, alpha=slope)

    class LeakyReLU(keras.layers.LeakyReLU):
        def call(self, inputs: Tensor) -> Tensor:
            return tf.custom_gradient(activate)(tf.convert_to_tensor(inputs))

    return (keras.layers.LeakyReLU if machine.gpus() else LeakyReLU)(slope)
