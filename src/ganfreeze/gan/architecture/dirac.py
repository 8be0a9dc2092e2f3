"""The smallest GAN: each network has one weight."""

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
    """The Dirac GAN: G(z) = theta for every latent vector z, and D(x) = psi * x.

    - `theta`: the generator's initial weight.
    - `psi`: the discriminator's initial weight.

    Here a logit above 0 means "real". The paper has the opposite sign, so its start (1, 1) is (theta, psi) = (1, -1)
    here.

    Source: Mescheder, Geiger, Nowozin 2018, definition 2.1.
    """

    latent_dim = 1
    theta: Finite = 1.0
    psi: Finite = -1.0

    def is_independent(self) -> bool:
        return True

    def check(self, example_shape: tuple[int, ...]) -> None:
        if example_shape != (1,):
            raise BadInput(
                f"architecture=dirac plays on a line, with points of shape (1,); this data set's are {example_shape}. "
                "Choose dataset=dirac, or another architecture."
            )

    def generate(
        self, keras: Any, latent: Tensor, example_shape: tuple[int, ...], random: np.random.Generator
    ) -> Tensor:
        theta = self.theta

        class Point(keras.layers.Layer):
            """A layer whose output is theta for every example: (batch, 1)."""

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
