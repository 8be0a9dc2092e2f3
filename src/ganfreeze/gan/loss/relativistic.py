"""The relativistic average loss."""

from dataclasses import dataclass
from typing import ClassVar

from ganfreeze.backend import tfgan
from ganfreeze.gan.loss.base import Loss
from ganfreeze.types import Choices, Tensor


@dataclass(frozen=True, kw_only=True)
class Relativistic(Loss):
    """The relativistic average loss.

    Let R = D(x) - E D(G(z)) and F = D(G(z)) - E D(x); s is the sigmoid. Discriminator: -E log s(R) - E log(1 - s(F)).
    Generator: -E log(1 - s(R)) - E log s(F).

    The loss is not the sum of a real term and a fake term. So `update` must have joint batches, and the generator
    phase needs the real batch too. Its two means are over the whole batch, so devices cannot share it. It depends on
    differences of logits only: logits have no zero, so the accuracies of a run mean little.

    Source: Jolicoeur-Martineau 2018, equations 14 to 16; TF-GAN's `relativistic_*_loss`.
    """

    supports: ClassVar[Choices] = {"update.batches": ["joint"], "devices": [1]}
    couples = True

    def discriminator(
        self, real_logits: Tensor, fake_logits: Tensor, real_weights: Tensor = 1.0, fake_weights: Tensor = 1.0
    ) -> Tensor:
        return tfgan.losses.relativistic_discriminator_loss(real_logits, fake_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return tfgan.losses.relativistic_generator_loss(real_logits, fake_logits)
