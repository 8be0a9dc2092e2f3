"""The Wasserstein loss."""

from dataclasses import dataclass

from ganfreeze.backend import tfgan
from ganfreeze.gan.loss.base import Loss
from ganfreeze.types import Tensor


@dataclass(frozen=True, kw_only=True)
class Wasserstein(Loss):
    """The Wasserstein loss.

    Discriminator (critic): E D(G(z)) - E D(x). Generator: -E D(G(z)).

    The critic must be Lipschitz; this loss does not ensure it, so a regularizer must. The logits have no natural zero.
    The accuracy counts their signs, which is only a convention and does not measure success.

    Source: Arjovsky, Chintala, Bottou 2017, equation 2 and algorithm 1; TF-GAN's `wasserstein_*_loss`.
    """

    def discriminator(
        self, real_logits: Tensor, fake_logits: Tensor, real_weights: Tensor = 1.0, fake_weights: Tensor = 1.0
    ) -> Tensor:
        return tfgan.losses.wasserstein_discriminator_loss(
            real_logits, fake_logits, real_weights, fake_weights, loss_collection=None
        )

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return tfgan.losses.wasserstein_generator_loss(fake_logits, loss_collection=None)
