"""Consensus optimization."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.regularizer.base import PhaseContext, Regularizer
from ganfreeze.types import Choices, PhaseName, Rate, Tensor, Variable


@dataclass(frozen=True, kw_only=True)
class Consensus(Regularizer):
    """Both losses gain weight / 2 * |v|^2, where v is the gradient vector field: the gradient of the generator's loss
    by its weights, and of the discriminator's by its own. So both are drawn to where neither moves.

    The penalty runs both networks in training mode in both phases, so BatchNormalization's averages move once more.

    Source: Mescheder, Nowozin, Geiger 2017, algorithm 2; `weight` is its gamma.
    """

    limits: ClassVar[Choices] = {"update.batches": ["joint"]}
    weight: Rate = 10.0

    def penalty(self, phase: PhaseName, play: PhaseContext) -> Tensor:
        generator, discriminator = play.networks.generator, play.networks.discriminator
        weights = [*generator.trainable_variables], [*discriminator.trainable_variables]
        with tf.GradientTape(persistent=True) as tape:
            real_logits = discriminator(play.real, training=True)
            fake_logits = discriminator(generator(play.latent, training=True), training=True)
            generator_loss = play.loss.generator(real_logits if play.loss.couples else None, fake_logits)
            discriminator_loss = play.loss.discriminator(real_logits, fake_logits)
        field = [*tape.gradient(generator_loss, weights[0]), *tape.gradient(discriminator_loss, weights[1])]
        return self.weight / 2 * tf.add_n([tf.reduce_sum(tf.square(each)) for each in field if each is not None])

    def constrain(self, weights: Sequence[Variable]) -> None:
        pass
