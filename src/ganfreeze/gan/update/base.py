"""The algorithm of one training step: which phases run, in which order, on which batches and noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ganfreeze.errors import BadInput
from ganfreeze.types import Count, PhaseName

Order = Literal["discriminator_first", "generator_first", "simultaneous"]
Batches = Literal["joint", "split"]
Fakes = Literal["training", "inference"]


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
