"""The least-squares loss."""

from dataclasses import dataclass

from ganfreeze.backend import tfgan
from ganfreeze.gan.loss.base import Loss
from ganfreeze.types import Tensor


@dataclass(frozen=True, kw_only=True)
class LeastSquares(Loss):
    """The least-squares loss.

    Discriminator: E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2. Generator: E (D(G(z)) - 1)^2 / 2.

    Source: Mao et al. 2017, equation 9 (labels 0 and 1); TF-GAN's `least_squares_*_loss`.
    """

    boundary = 0.5

    def discriminator(
        self, real_logits: Tensor, fake_logits: Tensor, real_weights: Tensor = 1.0, fake_weights: Tensor = 1.0
    ) -> Tensor:
        return tfgan.losses.least_squares_discriminator_loss(
            real_logits, fake_logits, real_weights=real_weights, generated_weights=fake_weights, loss_collection=None
        )

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return tfgan.losses.least_squares_generator_loss(fake_logits, loss_collection=None)
