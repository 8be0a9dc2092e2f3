"""The dense networks of Keras-GAN's `gan.py`, which the question "why does it still train?" quotes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganfreeze.initial import glorot_uniform
from ganfreeze.types import Architecture, Count, Networks


@dataclass(frozen=True, kw_only=True)
class Mlp(Architecture):
    """Generator 256-512-1024 with LeakyReLU(0.2) and BatchNormalization(0.8), tanh; discriminator 512-256 with
    LeakyReLU(0.2).

    One change: the discriminator ends in a logit, not in a sigmoid, for the losses take logits. Binary cross-entropy
    of the sigmoid is the `nonsaturating` loss of the logit.

    Source: eriklindernoren/Keras-GAN, gan/gan.py.
    """

    latent_dim: Count = 100

    def check(self, image_shape: tuple[int, ...]) -> None:
        """Any shape will do."""

    def build(self, *, keras: Any, image_shape: tuple[int, ...], random: np.random.Generator) -> Networks:
        layers = keras.layers

        def dense(units: int, activation: str | None = None) -> Any:
            return layers.Dense(units, activation=activation, kernel_initializer=glorot_uniform(keras, random))

        latent = layers.Input((self.latent_dim,))
        x = latent
        for units in (256, 512, 1024):
            x = layers.LeakyReLU(0.2)(dense(units)(x))
            x = layers.BatchNormalization(momentum=0.8)(x)
        x = dense(int(np.prod(image_shape)), "tanh")(x)
        generator = keras.Model(latent, layers.Reshape(image_shape)(x), name="generator")

        image = layers.Input(image_shape)
        x = layers.Flatten()(image)
        for units in (512, 256):
            x = layers.LeakyReLU(0.2)(dense(units)(x))
        discriminator = keras.Model(image, dense(1)(x), name="discriminator")
        return Networks(generator, discriminator, self.latent_dim)
