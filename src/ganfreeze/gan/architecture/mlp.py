"""The dense networks of Keras-GAN's `gan.py`, the code in the question "Why does the discriminator still train?"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganfreeze.gan.architecture.base import Architecture
from ganfreeze.gan.initializers import glorot_uniform
from ganfreeze.gan.layers.batch_norm import batch_norm
from ganfreeze.gan.layers.dense import dense
from ganfreeze.gan.layers.leaky_relu import leaky_relu
from ganfreeze.gan.layers.spectral_norm import spectral_norm
from ganfreeze.types import Count, DropoutRate, Tensor


@dataclass(frozen=True, kw_only=True)
class Mlp(Architecture):
    """The dense networks of Keras-GAN, for images or points of any shape.

    The generator's hidden layers have LeakyReLU(0.2) and BatchNormalization(0.8), and its output tanh. The
    discriminator's hidden layers have LeakyReLU(0.2).

    - `generator_units`: the units of each hidden layer of the generator, from the latent vector on.
    - `discriminator_units`: the units of each hidden layer of the discriminator, from the example on.

    One thing differs from Keras-GAN: the output of the discriminator is a logit, without a sigmoid, because the losses
    take logits. Binary cross-entropy of the sigmoid is the `nonsaturating` loss of the logit.

    Keras-GAN has neither spectral normalization nor Dropout.

    Source: eriklindernoren/Keras-GAN, gan/gan.py.
    """

    latent_dim: Count = 100
    generator_units: Sequence[Count] = (256, 512, 1024)
    discriminator_units: Sequence[Count] = (512, 256)
    spectral_norm: bool = False
    dropout: DropoutRate = 0.0

    def is_independent(self) -> bool:
        return True

    def check(self, example_shape: tuple[int, ...]) -> None:
        """Accept every shape."""

    def generate(
        self, keras: Any, latent: Tensor, example_shape: tuple[int, ...], random: np.random.Generator
    ) -> Tensor:
        x = latent
        for units in self.generator_units:
            x = _dense(keras, random, units)(x)
            x = batch_norm(keras, momentum=0.8)(leaky_relu(keras, 0.2)(x))
        x = _dense(keras, random, int(np.prod(example_shape)), "tanh")(x)
        return keras.layers.Reshape(example_shape)(x)

    def judge(self, keras: Any, examples: Tensor, random: np.random.Generator) -> Tensor:
        x = keras.layers.Flatten()(examples)
        for units in self.discriminator_units:
            x = leaky_relu(keras, 0.2)(self._normalized(_dense(keras, random, units), keras, random)(x))
            x = keras.layers.Dropout(self.dropout)(x) if self.dropout else x
        return self._normalized(_dense(keras, random, 1), keras, random)(x)

    def _normalized(self, layer: Any, keras: Any, random: np.random.Generator) -> Any:
        return spectral_norm(layer, keras, random) if self.spectral_norm else layer


def _dense(keras: Any, random: np.random.Generator, units: int, activation: str | None = None) -> Any:
    return dense(keras, units, activation=activation, kernel_initializer=glorot_uniform(keras, random))
