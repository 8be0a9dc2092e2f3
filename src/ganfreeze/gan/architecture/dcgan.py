"""Deep convolutional networks for square images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.base import Architecture
from ganfreeze.gan.initializers import normal
from ganfreeze.gan.layers.batch_norm import batch_norm
from ganfreeze.gan.layers.convolutions import double, halve
from ganfreeze.gan.layers.leaky_relu import leaky_relu
from ganfreeze.gan.layers.spectral_norm import spectral_norm
from ganfreeze.types import Count, DropoutRate, Momentum, Rate, Tensor


@dataclass(frozen=True, kw_only=True)
class Dcgan(Architecture):
    """Strided convolutions with BatchNormalization, for square images whose side is a multiple of 4, from 8 to 64.

    Activations are ReLU in the generator and LeakyReLU(0.2) in the discriminator. The discriminator halves the image at
    least twice, and more often as long as the side is even and its half is 4 or more: 64 and 32 end at 4, 28 at 7,
    8 at 2. The generator mirrors this.

    - `batch_norm`: whether the discriminator has BatchNormalization, after every convolution but the first. With it,
      freezing mechanisms can give different results.
    - `batch_norm_momentum`: the share of BatchNormalization's moving averages that a batch leaves unchanged, in the
      discriminator.
    - `batch_norm_epsilon`: what BatchNormalization adds to variances, in the discriminator.

    Keras-GAN's DCGAN has dropout=0.25.

    Source: Radford, Metz, Chintala 2016, section 3 and figure 1. Kernels are 4x4 as in its PyTorch port: a kernel whose
    size is a multiple of the stride leaves no checkerboard pattern.
    """

    latent_dim: Count = 100
    filters: Count = 64
    batch_norm: bool = True
    batch_norm_momentum: Momentum = 0.9
    batch_norm_epsilon: Rate = 1e-3
    spectral_norm: bool = False
    dropout: DropoutRate = 0.0

    def is_independent(self) -> bool:
        return not self.batch_norm

    def check(self, example_shape: tuple[int, ...]) -> None:
        size = example_shape[:2]
        if len(example_shape) != 3 or size[0] != size[1] or size[0] % 4 or not 8 <= size[0] <= 64:
            shown = "x".join(map(str, size)) if len(example_shape) == 3 else f"points of {example_shape[0]} dimensions"
            raise BadInput(
                f"architecture=dcgan needs square images whose side is a multiple of 4 from 8 to 64; this data set's "
                f"are {shown}. Choose architecture=mlp, or another size if the data set has one."
            )

    def generate(
        self, keras: Any, latent: Tensor, example_shape: tuple[int, ...], random: np.random.Generator
    ) -> Tensor:
        layers = keras.layers
        kernel = {"kernel_initializer": normal(keras, random, 0.02)}
        widths = self._widths(example_shape)
        base = example_shape[0] // 2 ** len(widths)
        x = layers.Dense(base * base * widths[-1], use_bias=False, **kernel)(latent)
        x = layers.Reshape((base, base, widths[-1]))(x)
        for width in reversed(widths[:-1]):
            x = layers.ReLU()(batch_norm(keras, momentum=0.9)(x))
            x = double(keras, width, use_bias=False, **kernel)(x)
        x = layers.ReLU()(batch_norm(keras, momentum=0.9)(x))
        return double(keras, example_shape[2], activation="tanh", **kernel)(x)

    def judge(self, keras: Any, examples: Tensor, random: np.random.Generator) -> Tensor:
        layers = keras.layers
        kernel = {"kernel_initializer": normal(keras, random, 0.02)}
        x = examples
        for level, width in enumerate(self._widths(examples.shape[1:])):
            x = self._normalized(halve(keras, width, **kernel), keras, random)(x)
            if self.batch_norm and level > 0:
                x = batch_norm(keras, momentum=self.batch_norm_momentum, epsilon=self.batch_norm_epsilon)(x)
            x = leaky_relu(keras, 0.2)(x)
            x = layers.Dropout(self.dropout)(x) if self.dropout else x
        return self._normalized(layers.Dense(1, **kernel), keras, random)(layers.Flatten()(x))

    def _normalized(self, layer: Any, keras: Any, random: np.random.Generator) -> Any:
        return spectral_norm(layer, keras, random) if self.spectral_norm else layer

    def _widths(self, example_shape: Sequence[int]) -> Sequence[int]:
        return [self.filters * 2**level for level in range(_halvings(example_shape[0]))]


def _halvings(side: int) -> int:
    halvings = 2
    while side % 2 ** (halvings + 1) == 0 and side // 2 ** (halvings + 1) >= 4:
        halvings += 1
    return halvings
