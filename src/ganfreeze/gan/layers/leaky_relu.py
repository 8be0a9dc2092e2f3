"""LeakyReLU, with a gradient that does not need the input."""

from collections.abc import Callable
from typing import Any

from ganfreeze.backend import machine
from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor


def leaky_relu(keras: Any, slope: float) -> Any:
    """Return a layer `LeakyReLU(slope)` of either Keras: max(x, slope x), for a slope above 0.

    The gradient needs only the sign of x, and the result has the same sign. TensorFlow's gradient keeps x in memory;
    this one keeps the result. So a convolution or product, its bias and LeakyReLU can be one operation, and less memory
    is needed.
    """

    def activate(x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        result = tf.nn.leaky_relu(x, slope)
        return result, lambda upstream: tf.raw_ops.LeakyReluGrad(gradients=upstream, features=result, alpha=slope)

    class LeakyReLU(keras.layers.LeakyReLU):
        def call(self, inputs: Tensor) -> Tensor:
            return tf.custom_gradient(activate)(tf.convert_to_tensor(inputs))

    return (keras.layers.LeakyReLU if machine.gpus() else LeakyReLU)(slope)
