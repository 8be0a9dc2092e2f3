"""Weight clipping, as in WGAN."""

from collections.abc import Sequence
from dataclasses import dataclass

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.regularizer.base import PhaseContext, Regularizer
from ganfreeze.types import PhaseName, Rate, Variable


@dataclass(frozen=True, kw_only=True)
class WeightClip(Regularizer):
    """A bound on the discriminator's weights: each discriminator phase clips the weights that it trains.

    They are clipped to [-bound, bound] at the end of the phase.

    - `bound`: the largest absolute value of a weight.

    Source: Arjovsky, Chintala, Bottou 2017, algorithm 1; `bound` is its c, 0.01 in the paper.
    """

    bound: Rate = 0.01

    def penalty(self, phase: PhaseName, context: PhaseContext) -> float:
        return 0.0

    def constrain(self, weights: Sequence[Variable]) -> None:
        for variable in weights:
            variable.assign(tf.clip_by_value(tf.convert_to_tensor(variable), -self.bound, self.bound))
