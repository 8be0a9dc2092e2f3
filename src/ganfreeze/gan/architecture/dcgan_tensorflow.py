"""The DCGAN of the repository DCGAN-tensorflow, which many papers trained."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.base import Architecture
from ganfreeze.gan.initializers import normal, truncated_normal
from ganfreeze.gan.layers.batch_norm import batch_norm
from ganfreeze.gan.layers.leaky_relu import leaky_relu
from ganfreeze.types import Count, Tensor

_LEVELS = 4


@dataclass(frozen=True, kw_only=True)
class DcganTensorflow(Architecture):
    """Networks of four strided 5x5 convolutions, with BatchNormalization in both, for square images.

    The side is halved four times, and rounded up: 28 ends at 2, 64 at 4. The generator mirrors this.
    BatchNormalization has momentum 0.9 and epsilon 1e-5.

    - `unit_pixels`: whether both networks see pixels in [0, 1], as on stacked MNIST in VEEGAN and PacGAN, and not in
      [-1, 1]. The generator ends in tanh all the same: half of its range is then no pixel, and becomes black.

    Source: carpedm20/DCGAN-tensorflow, model.py and ops.py, as in fjxmlzn/PacGAN,
    stacked_MNIST_experiments/VEEGAN_experiment.
    """

    latent_dim: Count = 100
    filters: Count = 64
    unit_pixels: bool = False

    def is_independent(self) -> bool:
        return False

    def check(self, example_shape: tuple[int, ...]) -> None:
        if len(example_shape) != 3 or example_shape[0] != example_shape[1] or example_shape[0] < 16:
            shown = "x".join(map(str, example_shape[:2])) if len(example_shape) == 3 else "points"
            raise BadInput(
                f"architecture=dcgan_tensorflow needs square images whose side is 16 or more; this data set's are "
                f"{shown}. Choose architecture=dcgan or mlp."
            )

    def generate(
        self, keras: Any, latent: Tensor, example_shape: tuple[int, ...], random: np.random.Generator
    ) -> Tensor:
        layers = keras.layers
        side, *larger = reversed(_sides(example_shape[0]))
        channels = [*reversed(self._widths()[:-1]), example_shape[2]]
        width = self._widths()[-1]
        x = layers.Dense(side * side * width, kernel_initializer=normal(keras, random, 0.02))(latent)
        x = layers.Reshape((side, side, width))(x)
        for wider, channel in zip(larger, channels, strict=True):
            x = layers.ReLU()(_batch_norm(keras)(x))
            x = layers.Conv2DTranspose(
                channel,
                5,
                2,
                "same",
                output_padding=1 - wider % 2,
                kernel_initializer=normal(keras, random, 0.02),
            )(x)
        x = layers.Activation("tanh")(x)
        return layers.Rescaling(2.0, -1.0)(x) if self.unit_pixels else x

    def judge(self, keras: Any, examples: Tensor, random: np.random.Generator) -> Tensor:
        layers = keras.layers
        x = layers.Rescaling(0.5, 0.5)(examples) if self.unit_pixels else examples
        for level, width in enumerate(self._widths()):
            x = layers.Conv2D(width, 5, 2, "same", kernel_initializer=truncated_normal(keras, random, 0.02))(x)
            x = leaky_relu(keras, 0.2)(_batch_norm(keras)(x) if level else x)
        return layers.Dense(1, kernel_initializer=normal(keras, random, 0.02))(layers.Flatten()(x))

    def _widths(self) -> list[int]:
        return [self.filters * 2**level for level in range(_LEVELS)]


def _sides(side: int) -> list[int]:
    """Return the side of the image, and those after each halving."""
    return [-(-side // 2**level) for level in range(_LEVELS + 1)]


def _batch_norm(keras: Any) -> Any:
    return batch_norm(keras, momentum=0.9, epsilon=1e-5)
