"""The base class of all strategies, and the records that it takes and returns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from ganfreeze.backend.devices import Devices
from ganfreeze.gan.averaging import Average
from ganfreeze.gan.loss.base import Loss
from ganfreeze.gan.networks import Networks
from ganfreeze.gan.optimizer.base import Optimizers
from ganfreeze.gan.regularizer.base import Regularizer
from ganfreeze.gan.update.base import Update
from ganfreeze.types import Choices, Metrics, PhaseName, Tensor, Variable

Judge = Literal["training", "inference", "mixed"]


class Execution(NamedTuple):
    """How steps are run. It changes their results by rounding only.

    `jit` says whether XLA compiles them. `fused_steps` is the largest number of steps in one call.
    """

    jit: bool = False
    fused_steps: int = 1


@dataclass(frozen=True, kw_only=True)
class Game:
    """Everything that a strategy is given: a Keras, the networks, and the algorithm that trains them.

    `average` is the average of the generator's weights, to be updated after each generator phase. `execution` says how
    the steps are run, and `devices` share each batch.
    """

    keras: Any
    networks: Networks
    loss: Loss
    regularizer: Regularizer
    optimizers: Optimizers
    update: Update
    average: Average
    execution: Execution
    devices: Devices


class Phase(NamedTuple):
    """One half of a training step: its name, the weights that it trains, and the one call that trains them.

    `train(real, latent)` takes examples (batch, ...), images in [-1, 1], and latent vectors (batch, latent_dim). It
    returns metrics by name, as tensors or floats. `constrain()` brings the weights back within their bounds, if they
    have bounds. `average()` adds them to their average, if they have one.
    """

    name: PhaseName
    trains: Sequence[Variable]
    train: Callable[..., Mapping[str, Any]]
    constrain: Callable[[], None] = lambda: None
    average: Callable[[], None] = lambda: None

    def run(self, *batch: Tensor) -> Mapping[str, Any]:
        """Train the weights on one batch, (real, latent), within their bounds; average them; return the metrics."""
        metrics = self.train(*batch)
        self.constrain()
        self.average()
        return metrics


class KnownFailure(NamedTuple):
    """The choices under which a mechanism is known to fail the audit, and why.

    It fails if all of `when` was chosen together; an empty `when` means always. `diagnosis` gives the cause and what
    works instead.
    """

    when: Choices
    diagnosis: str


class Strategy(ABC):
    """A mechanism that keeps the frozen network still: the base class of every file in `strategy/`.

    Four facts about a mechanism are known before it is built. They are checked before TensorFlow is imported:

    - `supports`: the allowed values of a choice, if not all are allowed;
    - `conflicts`: choices that are refused if all of them come together, in each of several mappings;
    - `known_failure`: when the audit will fail it;
    - `shares_batches`: whether it runs its phases by `game.devices`, so that several devices can share each batch.

    Two more are known once it is built: its `phases`, and `judge`, the mode in which the frozen discriminator judges in
    the generator phase. "mixed" means that its BatchNormalization runs in inference mode, as a flag has it, and its
    random layers, such as Dropout, in training mode.
    """

    supports: ClassVar[Choices] = {}
    conflicts: ClassVar[Sequence[Choices]] = ()
    known_failure: ClassVar[KnownFailure | None] = None
    shares_batches: ClassVar[bool] = False
    phases: Mapping[PhaseName, Phase]
    judge: Judge

    @abstractmethod
    def advance(self, streams: Any, step: int, steps: int) -> Metrics:
        """Train from `step` to `step + steps`. Return the mean of each metric over these steps."""
