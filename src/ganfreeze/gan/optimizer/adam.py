"""Adam."""

from dataclasses import dataclass
from typing import Any

from ganfreeze.gan.optimizer.base import OptimizerPair
from ganfreeze.types import Momentum, Rate


@dataclass(frozen=True, kw_only=True)
class Adam(OptimizerPair):
    """Adam, with a learning rate for each network.

    - `beta1`: the share of its mean of gradients that a step keeps.
    - `beta2`: the share of its mean of squared gradients that a step keeps.
    - `epsilon`: what is added to the root of the mean of squared gradients, so that no step divides by 0.

    Source: Kingma & Ba 2015, algorithm 1; the default rate and beta1 are DCGAN's (Radford et al. 2016, section 4).
    """

    generator_rate: Rate = 2e-4
    discriminator_rate: Rate = 2e-4
    beta1: Momentum = 0.5
    beta2: Momentum = 0.999
    epsilon: Rate = 1e-7

    def optimizer(self, keras: Any, rate: Any) -> Any:
        return keras.optimizers.Adam(rate, beta_1=self.beta1, beta_2=self.beta2, epsilon=self.epsilon)
