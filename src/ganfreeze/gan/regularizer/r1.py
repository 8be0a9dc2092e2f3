"""The gradient penalty on real data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.regularizer.base import PhaseContext, Regularizer
from ganfreeze.types import Choices, PhaseName, Rate, Tensor, Variable


@dataclass(frozen=True, kw_only=True)
class R1(Regularizer):
    """The discriminator's loss gains weight / 2 * E |grad_x D(x)|^2 over real x, of packs where it takes those.

    Source: Mescheder, Geiger, Nowozin 2018, equation 9; its gamma is `weight`, 10 in the paper's experiments.
    """

    limits: ClassVar[Choices] = {"update.batches": ["joint"]}
    weight: Rate = 10.0

    def penalty(self, phase: PhaseName, play: PhaseContext) -> Tensor | float:
        if phase == "generator":
            return 0.0
        real = tf.convert_to_tensor(play.real)
        with tf.GradientTape() as tape:
            tape.watch(real)
            logits = play.networks.discriminator(real, training=True)
        gradient = tf.reshape(tape.gradient(logits, real), (tf.shape(real)[0] // play.networks.packing, -1))
        return self.weight / 2 * tf.reduce_mean(tf.reduce_sum(tf.square(gradient), 1))

    def constrain(self, weights: Sequence[Variable]) -> None:
        pass
