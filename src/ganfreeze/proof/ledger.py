"""The results of an audit as records: which phase moved what, and the verdict."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ganfreeze.errors import BadInput
from ganfreeze.types import PhaseName

Kind = Literal["weights", "constraint", "state", "slots"]
Role = Literal["active", "held", "frozen"]
Verdict = Literal["clean", "state leaks", "constraint moved", "violation"]


class Violation(BadInput):
    """The strategy failed the audit, or frozen weights moved in training."""


class Entry(NamedTuple):
    """How one phase moved one variable of a network.

    `kind` says what the variable is: one of the weights, state such as BatchNormalization's moving averages, or a slot
    of the network's optimizer. "constraint" is a kernel that its own layer divides by a number to keep a constraint, as
    both Keras' SpectralNormalization do; if it moves in another way, it is one of the weights. `role` is "active" if
    the phase trains the variable's network, else "frozen", and "held" for weights that no phase may move. `elements` is
    the number of elements that differ in at least one bit, and `moved` is the largest absolute difference.
    """

    phase: PhaseName
    network: PhaseName
    kind: Kind
    variable: str
    role: Role
    shape: tuple[int, ...]
    elements: int
    moved: float

    def __str__(self) -> str:
        return f"the {self.network}'s {self.variable} ({self.kind}) in the {self.phase} phase"


@dataclass(frozen=True)
class Ledger:
    """All entries of an audit, and other faults: variables that two networks share, an `advance` unlike its phases.

    `advance_error` is the distance between one `advance` and the phases run one by one, as a share of the distance that
    the phases move, in the worst of the six groups. 0 means bitwise equal, and None that there is no `advance`.

    `skipped` is the number of steps that each phase's optimizer skipped, while it looked for a scale of the loss. They
    came before the measurement.
    """

    entries: Sequence[Entry]
    faults: Sequence[str]
    advance_error: float | None
    skipped: Mapping[PhaseName, int] = field(default_factory=dict)

    @property
    def violations(self) -> Sequence[str]:
        """The faults, frozen weights that moved, and active weights that did not move.

        The last are a network whose optimizer never stepped, or one kernel of a network that moves. If the optimizer
        stepped, a network may stand still for good reasons: a gradient of exactly 0, as at an equilibrium, or a bound.
        So may a bias: under the hinge loss the gradient of the last bias is exactly 0.
        """
        messages = list(self.faults)
        for phase in ("discriminator", "generator"):
            weights = [entry for entry in self.entries if (entry.phase, entry.kind) == (phase, "weights")]
            moved = [entry for entry in weights if entry.role != "active" and entry.elements]
            for role in ("frozen", "held"):
                if names := [entry.variable for entry in moved if entry.role == role]:
                    owner = "generator" if (phase, role) == ("discriminator", "frozen") else "discriminator"
                    messages.append(f"in the {phase} phase {role} weights of the {owner} moved: {_some(names)}")
            active = [entry for entry in weights if entry.role == "active"]
            still = [entry.variable for entry in active if not entry.elements and len(entry.shape) > 1]
            if any(entry.elements for entry in active):
                if still:
                    messages.append(f"in the {phase} phase active weights of the {phase} did not move: {_some(still)}")
            elif not self.stepped(phase):
                messages.append(f"in the {phase} phase the {phase} did not move: none of its weights")
        return messages

    def stepped(self, phase: PhaseName) -> bool:
        """Return whether the phase's optimizer counted a step. A shared counter is among the generator's slots."""
        counters = [entry for entry in self.entries if entry.phase == phase and entry.variable.endswith("iteration")]
        own = [entry for entry in counters if entry.network == phase] or counters
        return any(entry.elements for entry in own)

    @property
    def leaks(self) -> Sequence[Entry]:
        """Frozen state that moved, mostly the averages of BatchNormalization.

        It may be the generator's too, if the generator makes the fakes of the discriminator phase in training mode.
        """
        return [entry for entry in self._frozen_and_moved() if entry.kind == "state"]

    @property
    def constraints(self) -> Sequence[Entry]:
        """Frozen kernels that their own layer overwrote; no mechanism holds them, only inference mode does."""
        return [entry for entry in self._frozen_and_moved() if entry.kind == "constraint"]

    @property
    def frozen_slots(self) -> Sequence[Entry]:
        """Slots and counters of the frozen network's optimizer that moved, as those of a shared optimizer do."""
        return [entry for entry in self._frozen_and_moved() if entry.kind == "slots"]

    def _frozen_and_moved(self) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.role == "frozen" and entry.elements)

    @property
    def unmoved(self) -> Sequence[Entry]:
        """Active weights that did not move."""
        entries = (entry for entry in self.entries if entry.kind == "weights" and entry.role == "active")
        return [entry for entry in entries if not entry.elements]

    @property
    def verdict(self) -> Verdict:
        """The verdict, which becomes a tag of the run."""
        if self.violations:
            return "violation"
        return "constraint moved" if self.constraints else "state leaks" if self.leaks else "clean"

    def tags(self) -> Mapping[str, str]:
        """Return the verdict and the networks whose state leaks, as tags that a sweep can be filtered by."""
        leaking = sorted({entry.network for entry in self.leaks})
        return {"audit": self.verdict, "audit.leaks": ", ".join(leaking) or "none"}

    def moved(self, phase: PhaseName, network: PhaseName, kind: Kind) -> bool:
        """Return whether this phase moved any variable of this kind in this network."""
        return any(entry.elements > 0 for entry in self._group(phase, network, kind))

    def distance(self, phase: PhaseName, network: PhaseName, kind: Kind) -> float:
        """Return the largest absolute change of a variable of this kind in this network; 0 if there is none."""
        return max((entry.moved for entry in self._group(phase, network, kind)), default=0.0)

    def _group(self, *group: str) -> Iterator[Entry]:
        return (entry for entry in self.entries if (entry.phase, entry.network, entry.kind) == group)

    def require(self, strategy: str, diagnosis: str) -> None:
        """Raise Violation if there are violations. `diagnosis` is the known cause, or "" if none is known."""
        if self.violations:
            cause = f" Known cause: {diagnosis}" if diagnosis else ""
            raise Violation(
                f"strategy={strategy} failed the audit: {'; '.join(self.violations)}.{cause} "
                "(audit=record trains nevertheless.)"
            )

    def json(self) -> Mapping[str, Any]:
        """Return the ledger as values that JSON can hold."""
        error = self.advance_error
        return {
            "verdict": self.verdict,
            "violations": list(self.violations),
            "constraints": [str(entry) for entry in self.constraints],
            "leaks": [str(entry) for entry in self.leaks],
            "frozen_slots": [str(entry) for entry in self.frozen_slots],
            "still": [str(entry) for entry in self.unmoved],
            "advance_error": str(error) if error is not None and not math.isfinite(error) else error,
            "skipped": dict(self.skipped),
            "entries": [entry._asdict() for entry in self.entries],
        }

    def table(self) -> str:
        """Return the ledger as text: the verdict, its reasons, then a line for each variable and phase."""
        return "\n".join([*self._reasons(), *self._lines()]) + "\n"

    def summary(self) -> str:
        """Return the verdict and its reasons as text."""
        return "\n".join(self._reasons()) + "\n"

    def _reasons(self) -> Iterator[str]:
        yield f"verdict: {self.verdict}"
        yield from (f"violation: {violation}" for violation in self.violations)
        for entry in self.constraints:
            yield (
                f"constraint moved: {entry} by up to {entry.moved:.3g}. Its layer overwrites it whenever it runs in "
                "training mode, whatever `trainable` says; only inference mode holds it"
            )
        yield from (f"leak: {entry} moved by up to {entry.moved:.3g}" for entry in self.leaks)
        yield from (f"optimizer: {entry} moved by up to {entry.moved:.3g}" for entry in self.frozen_slots)

    def _lines(self) -> Iterator[str]:
        yield from (f"still: {entry}" for entry in self.unmoved)
        if self.advance_error is not None:
            distance = f"{self.advance_error:.2g} of the distance that they move"
            yield f"advance(1) against the phases run one by one: {distance}"
        for phase, count in self.skipped.items():
            if count:
                yield f"loss scaling: steps that the optimizer of the {phase} phase skipped before it took one: {count}"
        form = "{:13} {:13} {:7} {:6} {:>17} {:>10}  {}"
        yield ""
        yield form.format("phase", "network", "kind", "role", "elements moved", "by up to", "variable")
        for entry in self.entries:
            count = f"{entry.elements} of {math.prod(entry.shape)}"
            moved = f"{entry.moved:.3g}" if entry.elements else "-"
            yield form.format(entry.phase, entry.network, entry.kind, entry.role, count, moved, entry.variable)


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
