"""The dense networks of published experiments on 2-D mixtures."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.base import Architecture
from ganfreeze.gan.initializers import normal
from ganfreeze.gan.layers.batch_norm import batch_norm
from ganfreeze.types import Count, Tensor

_PIECES = 5
_DEVIATION = 0.02  # the standard deviation of initial weights


@dataclass(frozen=True, kw_only=True)
class Maxout(Architecture):
    """Dense networks for points; the discriminator has maxout units.

    Generator: four hidden layers of 400 with BatchNormalization(0.95) and ReLU; only the output layer has biases.
    Discriminator: three hidden layers of 200 units; a unit is the largest of 5 linear pieces (Goodfellow et al. 2013).
    It has no BatchNormalization. Initial weights are from N(0, 0.02^2), initial biases are 0.

    Source: Lin et al. 2018 (PacGAN), section 4.1, and its code. Srivastava et al. 2017 (VEEGAN) has the same
    experiments.
    """

    latent_dim: Count = 2

    def is_independent(self) -> bool:
        return True

    def check(self, example_shape: tuple[int, ...]) -> None:
        if len(example_shape) != 1:
            raise BadInput(
                f"architecture=maxout is for points; this data set has images of shape {example_shape}. Choose "
                "dataset=ring or dataset=grid, or architecture=mlp or architecture=dcgan."
            )

    def generate(
        self, keras: Any, latent: Tensor, example_shape: tuple[int, ...], random: np.random.Generator
    ) -> Tensor:
        kernel = {"kernel_initializer": normal(keras, random, _DEVIATION)}
        x = latent
        for _ in range(4):
            x = keras.layers.Dense(400, use_bias=False, **kernel)(x)
            x = keras.layers.ReLU()(batch_norm(keras, momentum=0.95)(x))
        return keras.layers.Dense(example_shape[0], **kernel)(x)

    def judge(self, keras: Any, examples: Tensor, random: np.random.Generator) -> Tensor:
        kernel = {"kernel_initializer": normal(keras, random, _DEVIATION)}

        class Largest(keras.layers.Layer):
            """The largest piece of each unit: (batch, units, pieces) to (batch, units)."""

            def call(self, pieces: Any) -> Any:
                return tf.reduce_max(pieces, axis=-1)

        x = examples
        for _ in range(3):
            x = keras.layers.Dense(200 * _PIECES, **kernel)(x)
            x = Largest()(keras.layers.Reshape((200, _PIECES))(x))
        return keras.layers.Dense(1, **kernel)(x)
