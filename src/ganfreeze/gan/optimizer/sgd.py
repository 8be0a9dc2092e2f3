"""Stochastic gradient descent."""

from dataclasses import dataclass
from typing import Any

from ganfreeze.gan.optimizer.base import OptimizerPair
from ganfreeze.types import Rate, SignedMomentum


@dataclass(frozen=True, kw_only=True)
class Sgd(OptimizerPair):
    """Stochastic gradient descent, with a learning rate for each network.

    v <- momentum * v - rate * gradient, then w <- w + v.

    - `momentum`: the share of the last step that is added to a step. A negative one damps the rotation of a game.

    Source: Robbins & Monro 1951; momentum after Polyak 1964; negative momentum after Gidel et al. 2019, "Negative
    momentum for improved game dynamics", equation 2.
    """

    generator_rate: Rate = 0.01
    discriminator_rate: Rate = 0.01
    momentum: SignedMomentum = 0.0

    def optimizer(self, keras: Any, rate: Any) -> Any:
        optimizer = keras.optimizers.SGD(rate, momentum=abs(self.momentum))
        optimizer.momentum = self.momentum  # only the constructors of Keras refuse a negative number
        return optimizer
