"""Consensus optimization."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.regularizer.base import PhaseContext, Regularizer
from ganfreeze.types import Choices, PhaseName, Rate, Tensor, Variable


@dataclass(frozen=True, kw_only=True)
class Consensus(Regularizer):
    """A penalty on the length of the gradient vector field; it draws both networks to a point where neither moves.

    It adds weight / 2 * |v|^2 to both losses. The field v joins two gradients: that of the generator's loss by the
    generator's weights, and that of the discriminator's loss by the discriminator's weights.

    The penalty runs both networks in training mode in both phases. So the moving averages of BatchNormalization are
    updated one more time. The field is the gradient over the whole batch, so devices cannot share it.

    Source: Mescheder, Nowozin, Geiger 2017, algorithm 2; `weight` is its gamma.
    """

    supports: ClassVar[Choices] = {
        "update.batches": ["joint"],
        "update.judge": ["auto", "training"],
        "devices": [1],
    }
    weight: Rate = 10.0

    def penalty(self, phase: PhaseName, context: PhaseContext) -> Tensor:
        generator, discriminator = context.networks.generator, context.networks.discriminator
        weights = [*generator.trainable_variables], [*discriminator.trainable_variables]
        with tf.GradientTape(persistent=True) as tape:
            real_logits = discriminator(context.real, training=True)
            fake_logits = discriminator(generator(context.latent, training=True), training=True)
            generator_loss = context.loss.generator(real_logits if context.loss.couples else None, fake_logits)
            discriminator_loss = context.loss.discriminator(real_logits, fake_logits)
        field = [*tape.gradient(generator_loss, weights[0]), *tape.gradient(discriminator_loss, weights[1])]
        squares = [tf.reduce_sum(tf.square(gradient)) for gradient in field if gradient is not None]
        return self.weight / 2 * tf.add_n(squares)

    def constrain(self, weights: Sequence[Variable]) -> None:
        pass
