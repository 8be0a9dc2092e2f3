"""The base class of losses."""

from abc import ABC, abstractmethod
from typing import ClassVar

from ganfreeze.types import Choices, Tensor


class Loss(ABC):
    """Two pure functions of the discriminator's logits, each (batch, 1): the base class of every file in `loss/`.

    `couples` is True if the discriminator's loss is not the sum of a real term and a fake term. The generator's loss
    then needs the real logits too. `boundary` is the logit above which the discriminator calls an example real; its
    accuracy is computed with it. Devices that share a batch average their losses: a loss that is not a mean over the
    examples has `"devices": [1]` in `supports`.
    """

    supports: ClassVar[Choices] = {}
    couples: ClassVar[bool] = False
    boundary: ClassVar[float] = 0.0

    @abstractmethod
    def discriminator(
        self, real_logits: Tensor, fake_logits: Tensor, real_weights: Tensor = 1.0, fake_weights: Tensor = 1.0
    ) -> Tensor:
        """Return the discriminator's mean loss over the batch, a scalar. A weight of 0 leaves that term out."""

    @abstractmethod
    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the generator's mean loss over the batch, a scalar. Without `couples`, `real_logits` may be None."""
