"""Stochastic gradient descent."""

from dataclasses import dataclass
from typing import Any

from ganfreeze.gan.optimizer.base import OptimizerPair
from ganfreeze.types import Momentum, Rate


@dataclass(frozen=True, kw_only=True)
class Sgd(OptimizerPair):
    """Stochastic gradient descent, with a learning rate for each network.

    v <- momentum * v - rate * gradient, then w <- w + v.

    Source: Robbins & Monro 1951; momentum after Polyak 1964.
    """

    generator_rate: Rate = 0.01
    discriminator_rate: Rate = 0.01
    momentum: Momentum = 0.0

    def optimizer(self, keras: Any, rate: Any) -> Any:
        return keras.optimizers.SGD(rate, momentum=self.momentum)
