"""The words of the project as types: what is passed between the parts, and what a part must be able to do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field

Tensor = Any  # a tf.Tensor or what tf.convert_to_tensor takes; naming the class here would import TensorFlow
Variable = Any  # a variable of either Keras
Model = Any  # a keras.Model of either Keras
Scalars = Mapping[str, float]

Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]

PhaseName = Literal["discriminator", "generator"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16", "float64"]

# What a part can do, where it cannot do everything: by the key of a config ("keras", "update.batches"), the values that
# go with it. It is asked before TensorFlow is imported.
Limits = Mapping[str, Sequence[str | bool | int]]


# ------------------------------------------------------------------------------------------------------ networks


@dataclass(frozen=True)
class Networks:
    """The generator, (batch, latent_dim) to examples, images in [-1, 1] or points, and the discriminator, examples to
    logits (batch, 1).

    A discriminator with a `packing` above 1 takes that many examples at a time, and gives each pack one logit:
    (batch / packing, 1). `held` are layers of the discriminator that stay still in its own phase as well, their
    `trainable` being False, and `held_weights` what would else be trained of them. `independent` is True where the
    discriminator judges an example, or a pack, by itself, whatever else is in the batch: then real examples and fakes
    may be judged in one.
    """

    generator: Model
    discriminator: Model
    latent_dim: int
    packing: int = 1
    held: Sequence[Any] = ()
    held_weights: Sequence[Variable] = ()
    independent: bool = False

    def thaw(self) -> None:
        """Set the discriminator's flag to True, which Keras passes on to every layer, and back to False where held."""
        self.discriminator.trainable = True
        for layer in self.held:
            layer.trainable = False


class Freeze(ABC):
    """What a file in `freeze/` holds: which layers of the discriminator stay still in its own phase as well."""

    @abstractmethod
    def apply(self, networks: Networks) -> Networks:
        """Hold the layers. Raises BadInput where the discriminator has no such layers to spare."""


# ----------------------------------------------------------------------------------------------------- algorithm


class Loss(ABC):
    """What a file in `loss/` holds: two pure functions of the discriminator's logits, each of shape (batch, 1).

    `couples` is True where real and fake logits enter the discriminator's loss together, so that it is no sum of a
    term of each; the generator's loss then needs the real logits too. `boundary` is the logit above which the
    discriminator calls an image real, which its accuracy is counted by.
    """

    limits: ClassVar[Limits] = {}
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


class Play(NamedTuple):
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

    limits: ClassVar[Limits] = {}

    @abstractmethod
    def penalty(self, phase: PhaseName, play: Play) -> Tensor | float:
        """A scalar to be added to the loss of this phase."""

    @abstractmethod
    def constrain(self, weights: Sequence[Variable]) -> None:
        """Bound the discriminator's weights, after each of its phases."""


class Average(ABC):
    """An average of the generator's weights over the steps of training, kept beside them whatever trains them.

    `generator` is a network with the averaged weights, or None; `variables` is all that changes with `update`.
    """

    generator: Model | None = None
    variables: Sequence[Variable] = ()

    @abstractmethod
    def update(self) -> None:
        """Take in the weights as they are now, after a generator phase."""


class Execution(NamedTuple):
    """How steps are run, which changes what they do by rounding only: compiled by XLA or not, and how many of them one
    call takes at the most."""

    jit: bool = False
    fused_steps: int = 1


# ----------------------------------------------------------------------------------------------------- recording


class Recorder(ABC):
    """Something that events are written to. A context manager: leaving it ends the run as finished, failed or
    interrupted, by the exception that is passing."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def write(self, event: Any) -> None:
        """Take one of `ganfreeze.events`."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Tracker(Recorder):
    """What a file in `tracker/` holds: a place where runs are kept."""

    @abstractmethod
    def amend(self, run: str, evaluated: Any) -> None:
        """Add `events.Evaluated` to a run that is over, and change nothing that it holds."""

    @abstractmethod
    def close_sweep(self, sweep: str) -> str:
        """Link the runs of a sweep that is over to each other, and return a table of them to show."""
