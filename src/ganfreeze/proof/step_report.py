"""What one step of a run did, as a record: losses, gradients and variables, call by call."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ganfreeze.types import Metrics, PhaseName


class CallReport(NamedTuple):
    """What one call of a phase did.

    `gradient_norms` are Euclidean, by layer of the network that the phase trains. A tape computes them, whatever the
    mechanism is. With `update.batches=split` a layer's norm is that of the gradients of both updates, taken as one
    vector. A discriminator that judges in mixed modes judges in inference mode here.

    `not_finite` names the variables that became NaN or infinite in the call.
    """

    phase: PhaseName
    metrics: Metrics
    gradient_norms: Mapping[str, float]
    not_finite: Sequence[str]

    @property
    def fault(self) -> str:
        """The first thing that is not finite, in the order in which a phase computes; "" if all is finite."""
        if bad := [name for name, value in self.metrics.items() if not math.isfinite(value)]:
            return f"{bad[0]} is {self.metrics[bad[0]]}"
        if bad := [layer for layer, norm in self.gradient_norms.items() if not math.isfinite(norm)]:
            return f"the gradient of the {self.phase}'s layer {bad[0]} is {self.gradient_norms[bad[0]]}"
        return ""


@dataclass(frozen=True)
class StepReport:
    """What step number `step` did, run again from the checkpoint of step `checkpoint`.

    `before` are the metrics of the steps before it, by their numbers; `calls` what each call of the step did.
    """

    step: int
    checkpoint: int
    before: Sequence[tuple[int, Metrics]]
    calls: Sequence[CallReport]

    @property
    def fault(self) -> str:
        """What went wrong first, and the first variable that it reached; "" if nothing went wrong."""
        for call in self.calls:
            variable = f"{call.not_finite[0]} becomes NaN or infinite" if call.not_finite else ""
            if parts := [part for part in (call.fault, variable) if part]:
                return f"in the {call.phase} phase {', and '.join(parts)}"
        return ""

    def json(self) -> Mapping[str, Any]:
        """Return everything, ready for JSON."""
        return {
            "step": self.step,
            "checkpoint": self.checkpoint,
            "fault": self.fault,
            "before": [[step, dict(metrics)] for step, metrics in self.before],
            "calls": [call._asdict() for call in self.calls],
        }

    def text(self) -> str:
        """Return everything as text to read."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"step {self.step}, run again from the checkpoint of step {self.checkpoint}"
        yield self.fault or "everything is finite"
        for step, metrics in self.before:
            yield f"before, step {step}: {_values(metrics)}"
        for call in self.calls:
            yield f"{call.phase} phase: {_values(call.metrics)}"
            yield from (f"  gradient of {layer}: {norm:.6g}" for layer, norm in call.gradient_norms.items())
            yield from (f"  becomes NaN or infinite: {name}" for name in call.not_finite)


def _values(metrics: Metrics) -> str:
    return "  ".join(f"{name} {value:.6g}" for name, value in metrics.items())
