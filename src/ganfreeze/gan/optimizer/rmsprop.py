"""RMSprop."""

from dataclasses import dataclass
from typing import Any

from ganfreeze.gan.optimizer.base import OptimizerPair
from ganfreeze.types import Momentum, Rate


@dataclass(frozen=True, kw_only=True)
class Rmsprop(OptimizerPair):
    """RMSprop, with a learning rate for each network.

    - `rho`: the share of its mean of squared gradients that a step keeps.
    - `epsilon`: what is added to the root of the mean of squared gradients, so that no step divides by 0.

    Source: Tieleman & Hinton 2012, lecture 6.5; the default rate is WGAN's (Arjovsky et al. 2017, algorithm 1).
    """

    generator_rate: Rate = 5e-5
    discriminator_rate: Rate = 5e-5
    rho: Momentum = 0.9
    epsilon: Rate = 1e-7

    def optimizer(self, keras: Any, rate: Any) -> Any:
        return keras.optimizers.RMSprop(rate, rho=self.rho, epsilon=self.epsilon)
