"""AdamW."""

from dataclasses import dataclass
from typing import Any

from ganfreeze.gan.optimizer.base import OptimizerPair
from ganfreeze.types import Momentum, Rate


@dataclass(frozen=True, kw_only=True)
class Adamw(OptimizerPair):
    """Adam with decoupled weight decay, and a learning rate for each network.

    - `beta1`: the share of its mean of gradients that a step keeps.
    - `beta2`: the share of its mean of squared gradients that a step keeps.
    - `epsilon`: what is added to the root of the mean of squared gradients, so that no step divides by 0.
    - `decay`: the share of each weight that a step takes away, times the learning rate.

    Each step also makes w <- w - rate * decay * w. The decay needs no gradient: it moves every variable that the
    optimizer gets, also one whose gradient is zero.

    Source: Loshchilov & Hutter 2019, algorithm 2; the default decay is Keras', the rest is DCGAN's Adam.
    """

    generator_rate: Rate = 2e-4
    discriminator_rate: Rate = 2e-4
    beta1: Momentum = 0.5
    beta2: Momentum = 0.999
    epsilon: Rate = 1e-7
    decay: Rate = 0.004

    def optimizer(self, keras: Any, rate: Any) -> Any:
        return keras.optimizers.AdamW(
            rate, weight_decay=self.decay, beta_1=self.beta1, beta_2=self.beta2, epsilon=self.epsilon
        )
