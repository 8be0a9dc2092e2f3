"""Spectral normalization: layers that divide their kernel by its largest singular value, in the forward pass."""

from typing import Any

import numpy as np

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.initializers import normal
from ganfreeze.types import Tensor


def spectral_norm(layer: Any, keras: Any, random: np.random.Generator) -> Any:
    """Return a spectrally normalized layer, made of `layer`: a Dense or Conv2D, not yet built, without an activation.

    The raw kernel is the weight that trains, and nothing but the optimizer changes it. The forward pass computes with
    kernel / sigma. Sigma estimates the largest singular value of the kernel as a matrix (inputs, outputs), by one power
    iteration from the vector `u`, (outputs,). Only a call in training mode writes the new `u` back. So in training mode
    a frozen layer moves its `u`, as BatchNormalization moves its averages; in inference mode nothing moves.

    Both Keras' own SpectralNormalization overwrite the kernel by kernel / sigma in every call in training mode, also
    if the layer is frozen.

    Source: Miyato et al. 2018, algorithm 1; the gradient takes `u` and `v` as constants (equation 12).
    """

    class SpectralNorm(type(layer)):
        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            outputs = (self.kernel.shape[-1],)
            self.own_bias = self.add_weight(name="bias", shape=outputs, initializer="zeros", trainable=True)
            start = normal(keras, random, 1.0)
            self.u = self.add_weight(name="u", shape=outputs, initializer=start, trainable=False)

        def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
            product = tf.convert_to_tensor(super().call(inputs))
            sigma = tf.cast(self._sigma(bool(training)), product.dtype)
            return product / sigma + tf.cast(tf.convert_to_tensor(self.own_bias), product.dtype)

        def _sigma(self, training: bool) -> Tensor:
            kernel = tf.cast(tf.convert_to_tensor(self.kernel), self.variable_dtype)
            matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
            u = tf.cast(tf.convert_to_tensor(self.u), kernel.dtype)
            v = tf.stop_gradient(_unit(tf.linalg.matvec(matrix, u)))
            u = tf.stop_gradient(_unit(tf.linalg.matvec(matrix, v, transpose_a=True)) if training else _unit(u))
            if training:
                self.u.assign(u)
            return tf.reduce_sum(v * tf.linalg.matvec(matrix, u))

    config = layer.get_config()
    assert config["activation"] == "linear", "an activation would come before the division"
    initializer = layer.kernel_initializer
    options = {**config, "use_bias": False, "kernel_initializer": initializer, "name": None}
    return SpectralNorm(**{key: value for key, value in options.items() if key not in ("dtype", "trainable")})


def _unit(vector: Tensor) -> Tensor:
    return tf.math.l2_normalize(vector, epsilon=1e-12)
