"""The base class of regularizers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from ganfreeze.gan.loss.base import Loss
from ganfreeze.gan.networks import Networks
from ganfreeze.types import Choices, PhaseName, Tensor, Variable


class PhaseContext(NamedTuple):
    """The inputs of the loss that a phase differentiates: both networks, the loss function and the batch.

    `real` and `fakes` are examples of the same shape, `latent` is (batch, latent_dim). In the discriminator phase
    `fakes` is constant. In the generator phase it is a function of the generator's weights.
    """

    networks: Networks
    loss: Loss
    real: Tensor
    latent: Tensor
    fakes: Tensor


class Regularizer(ABC):
    """A rule beside the loss that keeps training stable: the base class of every file in `regularizer/`.

    It adds a penalty to the loss of a phase, or it bounds the discriminator's weights after the discriminator phase. A
    penalty is differentiated together with the loss, so it needs a strategy that uses its own gradient tape.

    Devices that share a batch average their penalties, so a penalty has to be a mean over the examples. One that is not
    has `"devices": [1]` in `supports`.

    - `weight`: the weight of the penalty.
    """

    supports: ClassVar[Choices] = {}
    penalizes_gradients: ClassVar[bool] = False  # so training takes second derivatives
    batch_norm_warning: ClassVar[str] = ""  # why it should not meet BatchNormalization in the discriminator

    @abstractmethod
    def penalty(self, phase: PhaseName, context: PhaseContext) -> Tensor | float:
        """Return the scalar that is added to the loss of this phase."""

    @abstractmethod
    def constrain(self, weights: Sequence[Variable]) -> None:
        """Bound the discriminator's weights. Called after each discriminator phase."""
