"""The smallest GAN there is: one number each."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.base import Architecture
from ganfreeze.types import Tensor

Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Dirac(Architecture):
    """The generator makes the point theta, whatever the latent vector; the discriminator's logit is psi * x.

    A logit above 0 says "real" here; the paper's discriminator rates fakes higher, so its start (1, 1) is (1, -1) here.

    Source: Mescheder, Geiger, Nowozin 2018, definition 2.1.
    """

    latent_dim = 1
    theta: Finite = 1.0
    psi: Finite = -1.0

    def is_independent(self) -> bool:
        return True

    def check(self, image_shape: tuple[int, ...]) -> None:
        if image_shape != (1,):
            raise BadInput(
                f"architecture=dirac plays on a line, with points of shape (1,); this data set's are {image_shape}. "
                "Choose dataset=dirac, or another architecture."
            )

    def generate(self, keras: Any, latent: Tensor, image_shape: tuple[int, ...], random: np.random.Generator) -> Tensor:
        theta = self.theta

        class Point(keras.layers.Layer):
            """(batch, 1), everywhere theta."""

            def build(self, input_shape: Any) -> None:
                start = keras.initializers.Constant(theta)
                self.theta = self.add_weight(name="theta", shape=(1,), initializer=start, trainable=True)
                super().build(input_shape)

            def call(self, latent: Any) -> Any:
                return latent[:, :1] * 0 + self.theta

        return Point(name="point")(latent)

    def judge(self, keras: Any, examples: Tensor, random: np.random.Generator) -> Tensor:
        psi = keras.initializers.Constant(self.psi)
        return keras.layers.Dense(1, use_bias=False, kernel_initializer=psi, name="psi")(examples)
