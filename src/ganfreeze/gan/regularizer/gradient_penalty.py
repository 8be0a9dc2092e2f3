"""The gradient penalty of WGAN-GP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.regularizer.base import PhaseContext, Regularizer
from ganfreeze.types import Choices, PhaseName, Rate, Tensor, Variable


@dataclass(frozen=True, kw_only=True)
class GradientPenalty(Regularizer):
    """The discriminator's loss gains weight * E (|grad_x D(x)| - target)^2 over x = t real + (1 - t) fake, t ~ U(0, 1).

    t is drawn from the bits of the latent batch, so that it is the same under every strategy; a pack has one. Where the
    gradient is exactly 0 its norm has no derivative, and the penalty's is taken as 0.

    Source: Gulrajani et al. 2017, equation 3 and algorithm 1; `weight` is its lambda, `target` its 1.
    """

    limits: ClassVar[Choices] = {"update.batches": ["joint"]}
    weight: Rate = 10.0
    target: Rate = 1.0

    def penalty(self, phase: PhaseName, play: PhaseContext) -> Tensor | float:
        if phase == "generator":
            return 0.0
        packing = play.networks.packing
        share = _uniform(play.latent, packing, rank=len(play.fakes.shape))
        between = play.fakes + tf.cast(share, play.fakes.dtype) * (play.real - play.fakes)
        with tf.GradientTape() as tape:
            tape.watch(between)
            logits = play.networks.discriminator(between, training=True)
        gradient = tf.reshape(tape.gradient(logits, between), (tf.shape(between)[0] // packing, -1))
        norm = tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(gradient), 1), tf.constant(1e-30, gradient.dtype)))
        return self.weight * tf.reduce_mean(tf.square(norm - self.target))

    def constrain(self, weights: Sequence[Variable]) -> None:
        pass


def _uniform(latent: Tensor, packing: int, rank: int) -> Tensor:
    """A number in [0, 1) for each example, (batch, 1, ...), the same within a pack, that depends on nothing but the
    latent batch. It is made of integers, of which XLA draws the same."""
    seed = tf.stack([tf.reduce_sum(tf.bitcast(tf.cast(latent, tf.float32), tf.int32)), 0])
    shape = (tf.shape(latent)[0] // packing, *[1] * (rank - 1))
    drawn = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox")
    share = tf.cast(tf.bitwise.bitwise_and(drawn, tf.constant(2**23 - 1, tf.uint32)), tf.float32) * 2.0**-23
    return tf.repeat(share, packing, axis=0)
