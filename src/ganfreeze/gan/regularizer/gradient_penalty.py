"""The gradient penalty of WGAN-GP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend.devices import own_rows, sum_over_devices
from ganfreeze.gan.layers.random import bits, uniform
from ganfreeze.gan.regularizer.base import PhaseContext, Regularizer
from ganfreeze.types import Choices, PhaseName, Rate, Tensor, Variable


@dataclass(frozen=True, kw_only=True)
class GradientPenalty(Regularizer):
    """A penalty on the discriminator's gradient between real examples and fakes.

    It adds weight * E (|grad_x D(x)| - target)^2 to the discriminator's loss, with x = t real + (1 - t) fake and
    t ~ U(0, 1). The bits of the latent batch seed t, so t is the same under every strategy. All examples of a pack
    share one t. If the gradient is exactly 0, its norm has no derivative; the derivative of the penalty is then 0.

    - `target`: the length of the gradient that has no penalty.

    Source: Gulrajani et al. 2017, equation 3 and algorithm 1; `weight` is its lambda, `target` its 1.
    """

    supports: ClassVar[Choices] = {"update.batches": ["joint"]}
    penalizes_gradients: ClassVar[bool] = True
    batch_norm_warning: ClassVar[str] = (
        "WGAN-GP advises against BatchNormalization in the discriminator (Gulrajani et al. 2017, section 4). The "
        "penalty is on the gradient of each example alone; BatchNormalization makes a logit depend on the whole batch"
    )
    weight: Rate = 10.0
    target: Rate = 1.0

    def penalty(self, phase: PhaseName, context: PhaseContext) -> Tensor | float:
        if phase == "generator":
            return 0.0
        packing = context.networks.packing
        t = _uniform(context.latent, packing, rank=len(context.fakes.shape))
        between = context.fakes + tf.cast(t, context.fakes.dtype) * (context.real - context.fakes)
        with tf.GradientTape() as tape:
            tape.watch(between)
            logits = context.networks.discriminator(between, training=True)
        gradient = tf.reshape(tape.gradient(logits, between), (tf.shape(between)[0] // packing, -1))
        norm = tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(gradient), 1), tf.constant(1e-30, gradient.dtype)))
        return self.weight * tf.reduce_mean(tf.square(norm - self.target))

    def constrain(self, weights: Sequence[Variable]) -> None:
        pass


def _uniform(latent: Tensor, packing: int, rank: int) -> Tensor:
    """Return a number in [0, 1) for each example, (batch, 1, ...); it is the same for all examples of a pack.

    It depends on the latent batch only, on the whole of it if devices share it.
    """
    seed = tf.stack([sum_over_devices(bits(latent)), 0])
    packs = own_rows(lambda count: uniform((count, *[1] * (rank - 1)), seed), tf.shape(latent)[0] // packing)
    return tf.repeat(packs, packing, axis=0)
