"""The hinge loss."""

from dataclasses import dataclass

from ganfreeze.backend import tfgan
from ganfreeze.gan.loss.base import Loss
from ganfreeze.types import Tensor


@dataclass(frozen=True, kw_only=True)
class Hinge(Loss):
    """The hinge loss.

    Discriminator: E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))). Generator: -E D(G(z)).

    Source: Miyato et al. 2018, equations 16 and 17; TF-GAN's `wasserstein_hinge_*_loss`.
    """

    def discriminator(
        self, real_logits: Tensor, fake_logits: Tensor, real_weights: Tensor = 1.0, fake_weights: Tensor = 1.0
    ) -> Tensor:
        return tfgan.losses.wasserstein_hinge_discriminator_loss(
            real_logits, fake_logits, real_weights, fake_weights, loss_collection=None
        )

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return tfgan.losses.wasserstein_hinge_generator_loss(fake_logits, loss_collection=None)
