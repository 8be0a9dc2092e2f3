"""What a file in `loss/` holds."""

from abc import ABC, abstractmethod
from typing import ClassVar

from ganfreeze.types import Choices, Tensor


class Loss(ABC):
    """What a file in `loss/` holds: two pure functions of the discriminator's logits, each of shape (batch, 1).

    `couples` is True where real and fake logits enter the discriminator's loss together, so that it is no sum of a
    term of each; the generator's loss then needs the real logits too. `boundary` is the logit above which the
    discriminator calls an image real, which its accuracy is counted by.
    """

    limits: ClassVar[Choices] = {}
    couples: ClassVar[bool] = False
    boundary: ClassVar[float] = 0.0

    @abstractmethod
    def discriminator(
        self, real_logits: Tensor, fake_logits: Tensor, real_weights: Tensor = 1.0, fake_weights: Tensor = 1.0
    ) -> Tensor:
        """The mean loss over the batch, a scalar; a weight of 0 leaves that side's term out."""

    @abstractmethod
    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """The mean loss over the batch, a scalar; `real_logits` is None unless the loss `couples`."""
