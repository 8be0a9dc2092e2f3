"""The base class of updates: which phases a training step runs, in which order, on which batches and noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ganfreeze.errors import BadInput
from ganfreeze.types import Count, PhaseName

Order = Literal["discriminator_first", "generator_first", "simultaneous"]
Batches = Literal["joint", "split"]
Fakes = Literal["training", "inference"]
Extrapolation = Literal["none", "extragradient", "optimistic"]


class Call(NamedTuple):
    """One run of a phase within a step.

    `phase` is its name, `real` the number of its real batch. `noise` names its latent batch: a phase and a number.
    """

    phase: PhaseName
    real: int
    noise: tuple[PhaseName, int]


@dataclass(frozen=True, kw_only=True)
class Update:
    """The algorithm of one training step: the base class of every file in `update/`, which changes its defaults.

    - `order`: which phase comes first. With "simultaneous" both phases use the weights before the step.
    - `discriminator_steps`, `generator_steps`: how often each phase runs in a step (k of Goodfellow et al. 2014,
      algorithm 1). Each run of the discriminator phase has its own real batch.
    - `batches`: with "joint" one update of the discriminator sees the real and the fake batch. With "split" it is
      updated on the real batch, then on the fake batch.
    - `noise`: with "fresh" the generator phase draws its own latent vectors. With "reused" it takes those of the
      discriminator phase; if it runs more often, it takes the last ones again.
    - `fakes`: the mode of the generator in the discriminator phase. In "training" it uses batch statistics, and its
      moving averages are updated. The other mode is "inference".
    - `judge`: the mode of the frozen discriminator in the generator phase. In "training" its BatchNormalization uses
      batch statistics, and moves its averages once more. In "inference" it uses its averages. With "auto" each
      mechanism keeps its own habit: a tape judges in training mode, a flag puts BatchNormalization into inference mode.
    - `optimizers`: with "separate" each network has its own optimizer. With "shared" both have the same one, as in
      Keras-GAN.
    - `extrapolation`: with "extragradient" both networks take a step ahead, and then the step from their initial
      weights, by the gradients ahead. With "optimistic" each optimizer takes twice its step, minus its previous step.

    Raises:
        BadInput: `order` is "simultaneous", and a network is updated more than once a step. Or `extrapolation` is
            "extragradient", and `order` is not "simultaneous".
    """

    order: Order = "discriminator_first"
    discriminator_steps: Count = 1
    generator_steps: Count = 1
    batches: Batches = "joint"
    noise: Literal["fresh", "reused"] = "fresh"
    fakes: Fakes = "training"
    judge: Literal["training", "inference", "auto"] = "auto"
    optimizers: Literal["separate", "shared"] = "separate"
    extrapolation: Extrapolation = "none"

    def __post_init__(self) -> None:
        if self.order == "simultaneous" and (self.discriminator_steps, self.generator_steps) != (1, 1):
            raise BadInput(
                f"update.order=simultaneous updates each network once a step; update.discriminator_steps="
                f"{self.discriminator_steps} and update.generator_steps={self.generator_steps} must both be 1."
            )
        if self.extrapolation == "extragradient" and self.order != "simultaneous":
            raise BadInput(
                "update.extrapolation=extragradient extrapolates both networks at once; "
                f"update.order={self.order} must be simultaneous."
            )

    def calls(self) -> Sequence[Call]:
        """Return the calls of one step, in order.

        The last call of the generator phase has the same real batch as the last call of the discriminator phase. An
        extragradient step has two calls of each phase, ahead and for the step itself, on batches and noise of their
        own.
        """
        if self.extrapolation == "extragradient":
            both: Sequence[PhaseName] = ("discriminator", "generator")
            return [
                Call(phase, half, (phase if self.noise == "fresh" else "discriminator", half))
                for half in range(2)
                for phase in both
            ]
        surplus = self.discriminator_steps - self.generator_steps
        discriminator_calls = [
            Call("discriminator", draw, ("discriminator", draw)) for draw in range(self.discriminator_steps)
        ]
        generator_calls = []
        for number in range(self.generator_steps):
            draw = max(0, surplus) + number
            real = min(draw, self.discriminator_steps - 1)
            noise = ("generator", draw) if self.noise == "fresh" else ("discriminator", real)
            generator_calls.append(Call("generator", real, noise))
        return (
            [*generator_calls, *discriminator_calls]
            if self.order == "generator_first"
            else [*discriminator_calls, *generator_calls]
        )

    def noises(self) -> Sequence[tuple[PhaseName, int]]:
        """Return the latent batches that the calls of a step use: each once, in order."""
        return list(dict.fromkeys(call.noise for call in self.calls()))

    @property
    def draws(self) -> int:
        """How many real batches a step has."""
        return 1 + max(call.real for call in self.calls())

    @property
    def reuses_fakes(self) -> bool:
        """Whether the generator phase uses the fakes of the discriminator phase.

        The generator then need not run again.
        """
        once = (self.discriminator_steps, self.generator_steps) == (1, 1) and self.extrapolation != "extragradient"
        return once and self.noise == "reused" and self.fakes == "training" and self.order != "generator_first"

    def iterations(self, phase: PhaseName) -> int:
        """Return how often one step calls the optimizer of this phase."""
        steps = {
            "generator": self.generator_steps,
            "discriminator": self.discriminator_steps * (2 if self.batches == "split" else 1),
        }
        halves = 2 if self.extrapolation == "extragradient" else 1
        return halves * (sum(steps.values()) if self.optimizers == "shared" else steps[phase])
