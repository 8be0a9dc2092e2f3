"""When to stop training for a moment, and look."""

from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """A number of steps in one go, and whether the networks are evaluated after them."""

    steps: int
    evaluate: bool


class Cadence(NamedTuple):
    """Train `steps` steps, log every `log` of them, evaluate every `evaluate` of them and after the last."""

    steps: int
    log: int
    evaluate: int

    def spans(self, step: int) -> Iterator[Span]:
        """The spans from `step` to the end; each ends where something is due."""
        while step < self.steps:
            end = min(self.steps, *((step // every + 1) * every for every in (self.log, self.evaluate)))
            yield Span(end - step, end % self.evaluate == 0 or end == self.steps)
            step = end
