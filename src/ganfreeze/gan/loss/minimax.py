"""The original minimax loss."""

from dataclasses import dataclass

from ganfreeze.backend import tfgan
from ganfreeze.gan.loss.base import Loss
from ganfreeze.types import Fraction, Tensor


@dataclass(frozen=True, kw_only=True)
class Minimax(Loss):
    """The original minimax loss.

    Discriminator: -E log s(D(x)) - E log(1 - s(D(G(z)))). Generator: E log(1 - s(D(G(z)))). s is the sigmoid.

    TF-GAN computes the generator's loss as the negated loss of a discriminator whose real logits are all 1. This adds
    the constant log s(1) = -0.3133 to the equation; its gradient is 0.

    - `label_smoothing`: makes the target of real examples 1 - label_smoothing / 2 instead of 1, as in TF-GAN.

    Source: Goodfellow et al. 2014, equation 1; TF-GAN's `minimax_*_loss`.
    """

    label_smoothing: Fraction = 0.0

    def discriminator(
        self, real_logits: Tensor, fake_logits: Tensor, real_weights: Tensor = 1.0, fake_weights: Tensor = 1.0
    ) -> Tensor:
        return tfgan.losses.minimax_discriminator_loss(
            real_logits, fake_logits, self.label_smoothing, real_weights, fake_weights, loss_collection=None
        )

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return tfgan.losses.minimax_generator_loss(fake_logits, loss_collection=None)
