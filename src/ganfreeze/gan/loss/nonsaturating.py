"""The non-saturating loss."""

from dataclasses import dataclass

from ganfreeze.backend import tfgan
from ganfreeze.gan.loss.base import Loss
from ganfreeze.types import Fraction, Tensor


@dataclass(frozen=True, kw_only=True)
class Nonsaturating(Loss):
    """The non-saturating loss, which is binary cross-entropy on the logits.

    Discriminator: -E log s(D(x)) - E log(1 - s(D(G(z)))). Generator: -E log s(D(G(z))). s is the sigmoid.

    - `label_smoothing`: makes the target of real examples 1 - label_smoothing / 2 instead of 1, as in TF-GAN.

    Source: Goodfellow et al. 2014, section 3; TF-GAN's `modified_*_loss`.
    """

    label_smoothing: Fraction = 0.0

    def discriminator(
        self, real_logits: Tensor, fake_logits: Tensor, real_weights: Tensor = 1.0, fake_weights: Tensor = 1.0
    ) -> Tensor:
        return tfgan.losses.modified_discriminator_loss(
            real_logits, fake_logits, self.label_smoothing, real_weights, fake_weights, loss_collection=None
        )

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return tfgan.losses.modified_generator_loss(fake_logits, loss_collection=None)
