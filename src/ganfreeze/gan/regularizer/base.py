"""What a file in `regularizer/` holds."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from ganfreeze.gan.loss.base import Loss
from ganfreeze.gan.networks import Networks
from ganfreeze.types import Choices, PhaseName, Tensor, Variable


class PhaseContext(NamedTuple):
    """What a phase is about to differentiate: both networks, the loss, and its batch.

    `real` and `fakes` are examples of one shape, `latent` (batch, latent_dim); `fakes` is constant in the discriminator
    phase, a function of the generator's weights in the generator phase.
    """

    networks: Networks
    loss: Loss
    real: Tensor
    latent: Tensor
    fakes: Tensor


class Regularizer(ABC):
    """What a file in `regularizer/` holds: what keeps the game stable beside the loss.

    It is added to a phase's loss, differentiated with it, or bounds the discriminator's weights after its phase. An
    implementation that penalizes needs a strategy that differentiates by a tape of its own.
    """

    limits: ClassVar[Choices] = {}

    @abstractmethod
    def penalty(self, phase: PhaseName, play: PhaseContext) -> Tensor | float:
        """A scalar to be added to the loss of this phase."""

    @abstractmethod
    def constrain(self, weights: Sequence[Variable]) -> None:
        """Bound the discriminator's weights, after each of its phases."""
