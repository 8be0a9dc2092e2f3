"""The words of the project as types: what is passed between the parts, and what a part must be able to do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field

from ganfreeze.data import Dataset, Images

Tensor = Any  # a tf.Tensor or what tf.convert_to_tensor takes; naming the class here would import TensorFlow
Model = Any  # a keras.Model of either Keras
Scalars = Mapping[str, float]

Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]

PhaseName = Literal["discriminator", "generator"]


# ------------------------------------------------------------------------------------------------------ networks


@dataclass(frozen=True)
class Networks:
    """The generator, (batch, latent_dim) to images in [-1, 1], and the discriminator, images to logits (batch, 1)."""

    generator: Model
    discriminator: Model
    latent_dim: int


class Architecture(ABC):
    """What a file in `architecture/` holds: a pair of networks for a shape of images."""

    @abstractmethod
    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise BadInput where the pair cannot be built for images of this (height, width, channels)."""

    @abstractmethod
    def build(self, *, keras: Any, image_shape: tuple[int, int, int], random: np.random.Generator) -> Networks:
        """Build the pair with Keras 2 or 3; the same `random` gives the same weights under both."""


# ----------------------------------------------------------------------------------------------------- algorithm


class Loss(ABC):
    """What a file in `loss/` holds: two pure functions of the discriminator's logits, each of shape (batch, 1).

    `couples` is True where real and fake logits enter the discriminator's loss together, so that it is no sum of a
    term of each; the generator's loss then needs the real logits too. `boundary` is the logit above which the
    discriminator calls an image real, which its accuracy is counted by.
    """

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


@dataclass(frozen=True, kw_only=True)
class Update:
    """What a file in `update/` builds: the algorithm of one training step.

    `batches` is "joint" where one update of the discriminator sees the real and the fake batch, "split" where it is
    updated on the one and then on the other. `fakes` is the mode the generator runs in while the discriminator
    learns: "training" (batch statistics, which also move its averages) or "inference".
    """

    discriminator_steps: int
    batches: Literal["joint", "split"]
    fakes: Literal["training", "inference"]

    def calls(self) -> Sequence[tuple[PhaseName, int]]:
        """The phases of one step in order, each with the number of its batch of real images within the step."""
        last = self.discriminator_steps - 1
        return [*(("discriminator", draw) for draw in range(last + 1)), ("generator", last)]

    def iterations(self, phase: PhaseName) -> int:
        """How often one step calls the optimizer of that phase."""
        return 1 if phase == "generator" else self.discriminator_steps * (2 if self.batches == "split" else 1)


@dataclass(frozen=True)
class Optimizers:
    """One Keras optimizer for each network."""

    generator: Any
    discriminator: Any


class OptimizerPair(ABC):
    """What a file in `optimizer/` holds: one rule for both networks, with a rate for each.

    Two rates make TTUR (Heusel et al. 2017).
    """

    generator_rate: float
    discriminator_rate: float

    @abstractmethod
    def optimizer(self, keras: Any, rate: Any) -> Any:
        """A Keras optimizer at this learning rate, a float or a Keras schedule."""

    def build(self, *, keras: Any, schedule: "Schedule", iterations: Callable[[PhaseName], int]) -> Optimizers:
        """Build both optimizers; `iterations(phase)` is how often each will be called in the whole run."""
        rates: dict[PhaseName, float] = {"generator": self.generator_rate, "discriminator": self.discriminator_rate}
        return Optimizers(
            **{
                phase: self.optimizer(keras, schedule.build(keras=keras, rate=rate, iterations=iterations(phase)))
                for phase, rate in rates.items()
            }
        )


class Schedule(ABC):
    """What a file in `schedule/` holds: how a learning rate falls."""

    @abstractmethod
    def build(self, *, keras: Any, rate: float, iterations: int) -> Any:
        """A learning rate for a Keras optimizer that starts at `rate` and is called `iterations` times."""


class Phase(NamedTuple):
    """One half of a training step: what it is called, what it trains, and the one call that does it.

    `run(real, latent)` takes images (batch, height, width, channels) in [-1, 1] and latent vectors
    (batch, latent_dim), and returns scalars by name, as tensors or floats.
    """

    name: PhaseName
    trains: Model
    run: Callable[[Tensor, Tensor], Mapping[str, Any]]


class Strategy(ABC):
    """What a file in `strategy/` holds: the mechanism that keeps the frozen network still."""

    phases: Mapping[PhaseName, Phase]

    @abstractmethod
    def advance(self, streams: Any, step: int, steps: int) -> Scalars:
        """Train from `step` to `step + steps` and return the mean of every scalar on the way."""


# ----------------------------------------------------------------------------------------------------- recording


class Extractor(NamedTuple):
    """A feature extractor that is ready: how many samples it wants, what its figures rest on (extractor, weights,
    split), and `evaluate(samples)`, which gives every figure by a name that begins with the extractor's."""

    samples: int
    card: Mapping[str, str | int | float]
    evaluate: Callable[[Images], Scalars]


class Evaluator(ABC):
    """What a file in `evaluator/` holds: numbers from samples, by a named feature extractor."""

    @abstractmethod
    def check(self, dataset: Dataset) -> None:
        """Raise BadInput where this data set cannot be evaluated."""

    @abstractmethod
    def prepare(self, dataset: Dataset) -> Extractor:
        """Make the extractor and the reference statistics, or take them from the cache."""


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
    def close_sweep(self, sweep: str) -> str:
        """Link the runs of a sweep that is over to each other, and return a table of them to show."""
