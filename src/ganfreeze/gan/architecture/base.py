"""The base class of architectures: pairs of networks, built from layers of Keras 2 or 3."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ganfreeze.gan.inspection import layers
from ganfreeze.gan.layers.random import drive
from ganfreeze.gan.networks import Networks
from ganfreeze.gan.packing import pack
from ganfreeze.types import Model, Tensor


class Architecture(ABC):
    """A generator and a discriminator for examples of a given shape: the base class of every file in `architecture/`.

    Options that several of them have:

    - `latent_dim`: the length of a latent vector.
    - `filters`: the channels of the first convolution; each further one doubles them.
    - `spectral_norm`: whether every kernel of the discriminator is divided by its spectral norm (Miyato et al. 2018).
      The raw kernel is kept: only the vector `u` moves, in training mode.
    - `dropout`: the share of the discriminator's units that are dropped after each LeakyReLU.
    """

    latent_dim: int

    @abstractmethod
    def is_independent(self) -> bool:
        """Return whether the logit of an example is independent of the batch, as it is without BatchNormalization."""

    @abstractmethod
    def check(self, example_shape: tuple[int, ...]) -> None:
        """Raise BadInput if the networks cannot be built for examples of this shape.

        The shape is (height, width, channels) for images and (dimensions,) for points.
        """

    @abstractmethod
    def generate(
        self, keras: Any, latent: Tensor, example_shape: tuple[int, ...], random: np.random.Generator
    ) -> Tensor:
        """Apply the generator's layers to a Keras input (latent_dim,); return examples of this shape."""

    @abstractmethod
    def judge(self, keras: Any, examples: Tensor, random: np.random.Generator) -> Tensor:
        """Apply the discriminator's layers to a Keras input of examples; return the logits (1,)."""

    def generator(self, *, keras: Any, example_shape: tuple[int, ...], random: np.random.Generator) -> Model:
        """Build the generator alone. Raises BadInput as `check` does."""
        self.check(example_shape)
        latent = keras.layers.Input((self.latent_dim,))
        examples = _of_weights_type(keras, self.generate(keras, latent, example_shape, random))
        return keras.Model(latent, examples, name="generator")

    def build(
        self, *, keras: Any, example_shape: tuple[int, ...], random: np.random.Generator, packing: int = 1
    ) -> Networks:
        """Build both networks with Keras 2 or 3. The same `random` gives the same weights in both.

        Raises:
            BadInput: as `check` does; or a random layer is of a kind that cannot be driven by the batch.
        """
        generator = self.generator(keras=keras, example_shape=example_shape, random=random)
        example = keras.layers.Input(example_shape)
        logits = _of_weights_type(keras, self.judge(keras, pack(keras, example, packing), random))
        discriminator = keras.Model(example, logits, name="discriminator")
        return Networks(
            generator,
            discriminator,
            self.latent_dim,
            packing,
            independent=self.is_independent(),
            seed=drive(keras, [*layers(generator), *layers(discriminator)]),
        )


def _of_weights_type(keras: Any, output: Tensor) -> Tensor:
    """Cast the output of a network that computes in half precision to single.

    Losses and pictures need more digits than half precision has.
    """
    policy = keras.mixed_precision.global_policy()
    if policy.compute_dtype == policy.variable_dtype:
        return output
    return keras.layers.Activation("linear", dtype=policy.variable_dtype, name="single")(output)
