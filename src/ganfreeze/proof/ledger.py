"""What an audit found, as records: which phase moved what, and what that says."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ganfreeze.errors import BadInput
from ganfreeze.types import PhaseName

Kind = Literal["weights", "state", "slots"]
Role = Literal["active", "held", "frozen"]
Verdict = Literal["clean", "state leaks", "violation"]


class Violation(BadInput):
    """The strategy does not do what it is for."""


class Entry(NamedTuple):
    """What one phase did to one variable of a network.

    `kind` is what the variable is there: a weight, state such as BatchNormalization's moving averages, or a slot of the
    network's optimizer. `role` is "active" where the phase trains its network, else "frozen", and "held" for weights
    that no phase is to move. `elements` says how many elements differ in at least a bit, `moved` is the largest
    absolute difference.
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
    """All entries, and `faults` beside them: variables that two networks share, an `advance` that is not its phases.

    `advance_error` is how far one `advance` missed the phases run one by one, as a share of the way that they went, in
    the worst of the six groups; 0 is bitwise equal.
    """

    entries: Sequence[Entry]
    faults: Sequence[str]
    advance_error: float

    @property
    def violations(self) -> Sequence[str]:
        """The faults, frozen weights that moved, and active weights that did not: a network whose optimizer never
        stepped, or one kernel of a network that moves.

        Where the optimizer did step, a network may stand still for good reasons: a gradient of exactly 0, as at an
        equilibrium, or a bound. So may a bias: under the hinge loss the last one's gradient is exactly 0.
        """
        found = list(self.faults)
        for phase in ("discriminator", "generator"):
            weights = [entry for entry in self.entries if (entry.phase, entry.kind) == (phase, "weights")]
            moved = [entry for entry in weights if entry.role != "active" and entry.elements]
            for role in ("frozen", "held"):
                if names := [entry.variable for entry in moved if entry.role == role]:
                    owner = "generator" if (phase, role) == ("discriminator", "frozen") else "discriminator"
                    found.append(f"in the {phase} phase {role} weights of the {owner} moved: {_some(names)}")
            active = [entry for entry in weights if entry.role == "active"]
            still = [entry.variable for entry in active if not entry.elements and len(entry.shape) > 1]
            if any(entry.elements for entry in active):
                if still:
                    found.append(f"in the {phase} phase active weights of the {phase} did not move: {_some(still)}")
            elif not self._stepped(phase):
                found.append(f"in the {phase} phase the {phase} did not move: none of its weights")
        return found

    def _stepped(self, phase: PhaseName) -> bool:
        """Whether the phase's optimizer counted a step; a shared one's counter is among the generator's slots."""
        counters = [each for each in self.entries if each.phase == phase and each.variable.endswith("iteration")]
        own = [each for each in counters if each.network == phase] or counters
        return any(each.elements for each in own)

    @property
    def leaks(self) -> Sequence[Entry]:
        """Frozen state that moved: BatchNormalization's averages, mostly; the generator's too, where it makes the fakes
        of the discriminator phase in training mode."""
        return [entry for entry in self.entries if entry.kind == "state" and entry.role == "frozen" and entry.elements]

    @property
    def still(self) -> Sequence[Entry]:
        """Active weights that did not move."""
        entries = (entry for entry in self.entries if entry.kind == "weights" and entry.role == "active")
        return [entry for entry in entries if not entry.elements]

    @property
    def verdict(self) -> Verdict:
        """What the run is tagged with."""
        return "violation" if self.violations else "state leaks" if self.leaks else "clean"

    def tags(self) -> Mapping[str, str]:
        """The verdict, and the networks whose state leaks, for a sweep to be filtered by."""
        leaking = sorted({entry.network for entry in self.leaks})
        return {"audit": self.verdict, "audit.leaks": ", ".join(leaking) or "none"}

    def moved(self, phase: PhaseName, network: PhaseName, kind: Kind) -> bool:
        """Whether this phase moved anything of this group."""
        group = (phase, network, kind)
        return any(entry.elements > 0 for entry in self.entries if (entry.phase, entry.network, entry.kind) == group)

    def require(self, strategy: str, diagnosis: str) -> None:
        """Raise Violation unless there is none, with what is known of its cause, or "" where nothing is."""
        if self.violations:
            known = f" Known of strategy={strategy}: {diagnosis}" if diagnosis else ""
            raise Violation(
                f"strategy={strategy} failed the audit: {'; '.join(self.violations)}.{known} "
                "(audit=record trains all the same.)"
            )

    def json(self) -> Mapping[str, Any]:
        """The ledger as JSON takes it."""
        return {
            "verdict": self.verdict,
            "violations": list(self.violations),
            "leaks": [str(entry) for entry in self.leaks],
            "still": [str(entry) for entry in self.still],
            "advance_error": self.advance_error if math.isfinite(self.advance_error) else str(self.advance_error),
            "entries": [entry._asdict() for entry in self.entries],
        }

    def table(self) -> str:
        """The ledger as text: the verdict, what led to it, then a line for each variable and phase."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"verdict: {self.verdict}"
        yield from (f"violation: {each}" for each in self.violations)
        yield from (f"leak: {entry} moved by up to {entry.moved:.3g}" for entry in self.leaks)
        yield from (f"still: {entry}" for entry in self.still)
        yield f"advance(1) against the phases one by one: {self.advance_error:.2g} of their way"
        form = "{:13} {:13} {:7} {:6} {:>17} {:>10}  {}"
        yield ""
        yield form.format("phase", "network", "kind", "role", "elements moved", "by up to", "variable")
        for entry in self.entries:
            count, moved = (
                f"{entry.elements} of {math.prod(entry.shape)}",
                f"{entry.moved:.3g}" if entry.elements else "-",
            )
            yield form.format(entry.phase, entry.network, entry.kind, entry.role, count, moved, entry.variable)


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
