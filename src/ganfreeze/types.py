"""The words of the project as types: what is passed between the parts, and what a part must be able to do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field

from ganfreeze.errors import BadInput

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
Order = Literal["discriminator_first", "generator_first", "simultaneous"]
Batches = Literal["joint", "split"]
Fakes = Literal["training", "inference"]
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


class Call(NamedTuple):
    """One phase within a step: its name, the number of its batch of real examples, and that of its noise."""

    phase: PhaseName
    real: int
    noise: tuple[PhaseName, int]


@dataclass(frozen=True, kw_only=True)
class Update:
    """What a file in `update/` gives defaults to: the algorithm of one training step.

    - `order`: which phase comes first, or "simultaneous": both see the weights that the step began with.
    - `discriminator_steps`, `generator_steps`: how often each phase runs in a step (k of Goodfellow et al. 2014,
      algorithm 1). Each time the discriminator sees another batch.
    - `batches`: "joint" where one update of the discriminator sees the real and the fake batch, "split" where it is
      updated on the one and then on the other.
    - `noise`: "fresh" where the generator phase draws its own latent vectors, "reused" where it takes those of the
      discriminator phase, the last of them again where it runs more often.
    - `fakes`: the mode the generator runs in while the discriminator learns: "training" (batch statistics, which also
      move its averages) or "inference".
    - `optimizers`: "separate", or one "shared" by both networks, as in the code of the original question.

    Raises:
        BadInput: simultaneous steps with more than one update of a network.
    """

    order: Order = "discriminator_first"
    discriminator_steps: Count = 1
    generator_steps: Count = 1
    batches: Batches = "joint"
    noise: Literal["fresh", "reused"] = "fresh"
    fakes: Fakes = "training"
    optimizers: Literal["separate", "shared"] = "separate"

    def __post_init__(self) -> None:
        if self.order == "simultaneous" and (self.discriminator_steps, self.generator_steps) != (1, 1):
            raise BadInput(
                f"update.order=simultaneous updates each network once a step; update.discriminator_steps="
                f"{self.discriminator_steps} and update.generator_steps={self.generator_steps} must both be 1."
            )

    def calls(self) -> Sequence[Call]:
        """The phases of one step in order. The generator's last is paired with the discriminator's last batch."""
        surplus = self.discriminator_steps - self.generator_steps
        learn = [Call("discriminator", draw, ("discriminator", draw)) for draw in range(self.discriminator_steps)]
        fool = []
        for number in range(self.generator_steps):
            draw = max(0, surplus) + number
            real = min(draw, self.discriminator_steps - 1)
            noise = ("generator", draw) if self.noise == "fresh" else ("discriminator", real)
            fool.append(Call("generator", real, noise))
        return [*fool, *learn] if self.order == "generator_first" else [*learn, *fool]

    def noises(self) -> Sequence[tuple[PhaseName, int]]:
        """The batches of noise that the calls of a step share, each once, in order."""
        return list(dict.fromkeys(call.noise for call in self.calls()))

    @property
    def reuses_fakes(self) -> bool:
        """Whether the generator phase looks at the very fakes that the discriminator learned from, so that the
        generator need not run again."""
        once = (self.discriminator_steps, self.generator_steps) == (1, 1)
        return once and self.noise == "reused" and self.fakes == "training" and self.order != "generator_first"

    def iterations(self, phase: PhaseName) -> int:
        """How often one step calls the optimizer of that phase."""
        steps = {
            "generator": self.generator_steps,
            "discriminator": self.discriminator_steps * (2 if self.batches == "split" else 1),
        }
        return sum(steps.values()) if self.optimizers == "shared" else steps[phase]


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


@dataclass(frozen=True)
class Optimizers:
    """A Keras optimizer for each network, or the same one twice."""

    generator: Any
    discriminator: Any

    @property
    def shared(self) -> bool:
        """Whether there is only one."""
        return self.generator is self.discriminator

    def build(self, *, generator: Sequence[Variable], discriminator: Sequence[Variable]) -> None:
        """Make the slots for these weights now.

        An optimizer of Keras 2.11 or later knows only the variables of its first use: shared between two trainers
        without this, it raises a KeyError at the second.
        """
        if self.shared:
            known = {id(variable): variable for variable in (*generator, *discriminator)}
            self.generator.build(list(known.values()))
        else:
            self.generator.build(list(generator))
            self.discriminator.build(list(discriminator))

    def scaled(self, phase: PhaseName, loss: Tensor) -> Tensor:
        """What is to be differentiated instead of the loss: in half precision small gradients would vanish, so there it
        is a multiple of the loss, a factor that the optimizer finds (Micikevicius et al. 2018, section 3.2)."""
        optimizer = getattr(self, phase)
        scale = getattr(optimizer, "get_scaled_loss", None) or getattr(optimizer, "scale_loss", None)  # Keras 2, 3
        return scale(loss) if scale else loss

    def apply(self, phase: PhaseName, gradients: Sequence[Tensor], weights: Sequence[Variable]) -> None:
        """Take a step along the gradients of a `scaled` loss."""
        optimizer = getattr(self, phase)
        if hasattr(optimizer, "get_unscaled_gradients"):  # Keras 2; 3 does it itself
            gradients = optimizer.get_unscaled_gradients(gradients)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))


class OptimizerPair(ABC):
    """What a file in `optimizer/` holds: one rule for both networks, with a rate for each.

    Two rates make TTUR (Heusel et al. 2017).
    """

    generator_rate: float
    discriminator_rate: float

    @abstractmethod
    def optimizer(self, keras: Any, rate: Any) -> Any:
        """A Keras optimizer at this learning rate, a float or a Keras schedule."""

    def check(self, update: Update) -> None:
        """Raise BadInput where one optimizer would need two rates."""
        if update.optimizers == "shared" and self.generator_rate != self.discriminator_rate:
            raise BadInput(
                f"update.optimizers=shared has one rate; optimizer.generator_rate={self.generator_rate} and "
                f"optimizer.discriminator_rate={self.discriminator_rate} must be equal."
            )

    def build(
        self, *, keras: Any, schedule: "Schedule", update: Update, steps: int, precision: Precision = "float32"
    ) -> Optimizers:
        """Build the optimizers for a run of this many steps; in mixed_float16 they scale the loss."""

        def build(phase: PhaseName, rate: float) -> Any:
            iterations = steps * update.iterations(phase)
            optimizer = self.optimizer(keras, schedule.build(keras=keras, rate=rate, iterations=iterations))
            return keras.mixed_precision.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer

        discriminator = build("discriminator", self.discriminator_rate)
        shared = update.optimizers == "shared"
        return Optimizers(discriminator if shared else build("generator", self.generator_rate), discriminator)


class Schedule(ABC):
    """What a file in `schedule/` holds: how a learning rate falls."""

    @abstractmethod
    def build(self, *, keras: Any, rate: float, iterations: int) -> Any:
        """A learning rate for a Keras optimizer that starts at `rate` and is called `iterations` times."""


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
    together. `diagnosis` says why the mechanism fails the audit, and
    what would work instead, where it is known to: for the choices in `fails`, which by default are all.
    """

    limits: ClassVar[Limits] = {}
    refuses: ClassVar[Limits] = {}
    diagnosis: ClassVar[str] = ""
    fails: ClassVar[Limits] = {}
    phases: Mapping[PhaseName, Phase]

    @abstractmethod
    def advance(self, streams: Any, step: int, steps: int) -> Scalars:
        """Train from `step` to `step + steps` and return the mean of every scalar on the way."""


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
