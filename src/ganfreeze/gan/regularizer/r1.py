"""The gradient penalty on real data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.regularizer.base import PhaseContext, Regularizer
from ganfreeze.types import Choices, PhaseName, Rate, Tensor, Variable


@dataclass(frozen=True, kw_only=True)
class R1(Regularizer):
    """A penalty on the discriminator's gradient at real examples.

    It adds weight / 2 * E |grad_x D(x)|^2 over real x to the discriminator's loss. If the discriminator takes packs,
    x is a pack.

    Source: Mescheder, Geiger, Nowozin 2018, equation 9; `weight` is its gamma, 10 in the paper's experiments.
    """

    supports: ClassVar[Choices] = {"update.batches": ["joint"]}
    penalizes_gradients: ClassVar[bool] = True
    weight: Rate = 10.0

    def penalty(self, phase: PhaseName, context: PhaseContext) -> Tensor | float:
        if phase == "generator":
            return 0.0
        real = tf.convert_to_tensor(context.real)
        with tf.GradientTape() as tape:
            tape.watch(real)
            logits = context.networks.discriminator(real, training=True)
        gradient = tf.reshape(tape.gradient(logits, real), (tf.shape(real)[0] // context.networks.packing, -1))
        return self.weight / 2 * tf.reduce_mean(tf.reduce_sum(tf.square(gradient), 1))

    def constrain(self, weights: Sequence[Variable]) -> None:
        pass
