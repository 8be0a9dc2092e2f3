"""What is played, and by what mechanism: all that a strategy is given, and what it must be able to do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from ganfreeze.gan.averaging import Average
from ganfreeze.gan.loss.base import Loss
from ganfreeze.gan.networks import Networks
from ganfreeze.gan.optimizer.base import Optimizers
from ganfreeze.gan.regularizer.base import Regularizer
from ganfreeze.gan.update.base import Update
from ganfreeze.types import Choices, Metrics, PhaseName, Tensor, Variable


class Execution(NamedTuple):
    """How steps are run, which changes what they do by rounding only: compiled by XLA or not, and how many of them one
    call takes at the most."""

    jit: bool = False
    fused_steps: int = 1


@dataclass(frozen=True, kw_only=True)
class Game:
    """What every strategy is given: a Keras, the networks, and the algorithm that they are to be trained by; the
    average of the generator that is to be kept beside; and how it is all to be run."""

    keras: Any
    networks: Networks
    loss: Loss
    regularizer: Regularizer
    optimizers: Optimizers
    update: Update
    average: Average
    execution: Execution


class Phase(NamedTuple):
    """One half of a training step: what it is called, the weights that it trains, and the one call that does it.

    `run(real, latent)` takes examples (batch, ...), images in [-1, 1], and latent vectors (batch, latent_dim), and
    returns scalars by name, as tensors or floats.
    """

    name: PhaseName
    trains: Sequence[Variable]
    run: Callable[[Tensor, Tensor], Mapping[str, Any]]


class Strategy(ABC):
    """What a file in `strategy/` holds: the mechanism that keeps the frozen network still.

    `limits` says what it can do where it cannot do everything, and `refuses` what it cannot do where all of that comes
    together. `diagnosis` says why the mechanism fails the audit, and what would work instead, where it is known to: for
    the choices in `fails`, which by default are all.
    """

    limits: ClassVar[Choices] = {}
    refuses: ClassVar[Choices] = {}
    diagnosis: ClassVar[str] = ""
    fails: ClassVar[Choices] = {}
    phases: Mapping[PhaseName, Phase]

    @abstractmethod
    def advance(self, streams: Any, step: int, steps: int) -> Metrics:
        """Train from `step` to `step + steps` and return the mean of every scalar on the way."""
