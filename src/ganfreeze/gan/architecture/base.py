"""What a file in `architecture/` holds: how a pair of networks is made, of layers of either Keras."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ganfreeze.gan.networks import Networks
from ganfreeze.gan.packing import pack
from ganfreeze.types import Model, Tensor


class Architecture(ABC):
    """A pair of networks for a shape of examples.

    `latent_dim` is how many numbers the generator starts from.
    """

    latent_dim: int

    @abstractmethod
    def is_independent(self) -> bool:
        """Whether the discriminator judges each example by itself, as it does without BatchNormalization."""

    @abstractmethod
    def check(self, image_shape: tuple[int, ...]) -> None:
        """Raise BadInput where the pair cannot be built for examples of this shape, (height, width, channels) of images
        or (dimensions,) of points."""

    @abstractmethod
    def generate(self, keras: Any, latent: Tensor, image_shape: tuple[int, ...], random: np.random.Generator) -> Tensor:
        """The generator's layers, from a Keras input (latent_dim,) to examples of this shape."""

    @abstractmethod
    def judge(self, keras: Any, examples: Tensor, random: np.random.Generator) -> Tensor:
        """The discriminator's layers, from a Keras input of examples to the logits (1,)."""

    def generator(self, *, keras: Any, image_shape: tuple[int, ...], random: np.random.Generator) -> Model:
        """The generator alone. Raises BadInput as `check` does."""
        self.check(image_shape)
        latent = keras.layers.Input((self.latent_dim,))
        examples = _of_weights_type(keras, self.generate(keras, latent, image_shape, random))
        return keras.Model(latent, examples, name="generator")

    def build(
        self, *, keras: Any, image_shape: tuple[int, ...], random: np.random.Generator, packing: int = 1
    ) -> Networks:
        """Build the pair with Keras 2 or 3; the same `random` gives the same weights under both.

        Raises:
            BadInput: as `check` does.
        """
        generator = self.generator(keras=keras, image_shape=image_shape, random=random)
        example = keras.layers.Input(image_shape)
        logits = _of_weights_type(keras, self.judge(keras, pack(keras, example, packing), random))
        discriminator = keras.Model(example, logits, name="discriminator")
        return Networks(generator, discriminator, self.latent_dim, packing, independent=self.is_independent())


def _of_weights_type(keras: Any, output: Tensor) -> Tensor:
    """What leaves a network that computes in half precision is single, for losses and pictures need more digits."""
    policy = keras.mixed_precision.global_policy()
    if policy.compute_dtype == policy.variable_dtype:
        return output
    return keras.layers.Activation("linear", dtype=policy.variable_dtype, name="single")(output)
