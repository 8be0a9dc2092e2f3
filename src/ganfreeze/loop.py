"""The loop: it yields what happens and records nothing."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from ganfreeze import events, types
from ganfreeze.data.dataset.base import Examples
from ganfreeze.data.streams import Streams
from ganfreeze.errors import Diverged
from ganfreeze.strategy.base import Strategy


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


def train(
    *,
    strategy: Strategy,  # how both networks are trained
    streams: Streams,  # what they are trained on
    measures: Sequence[Callable[[], types.Metrics]],  # what is measured at each evaluation
    pictures: Mapping[str, Callable[[], Examples]],  # samples of the same latent vectors each time, by name
    save: Callable[[], Path],  # writes the weights and says where
    cadence: Cadence,  # how long, and when to look
) -> Iterator[events.Event]:
    """Yield everything worth recording; record nothing.

    `steps_per_second` is the mean over the time spent training, without the first span, which traces the graphs.

    Raises:
        Diverged: a scalar became NaN or infinite; what was measured until then has been yielded.
    """
    step, timed_steps, seconds = 0, 0, 0.0
    yield events.Started(step, cadence.steps)
    for name, samples in pictures.items():
        yield events.Images(step, name, samples())
    for span in cadence.spans(step):
        began = perf_counter()
        scalars = dict(strategy.advance(streams, step, span.steps))
        elapsed = perf_counter() - began
        timed_steps, seconds = (timed_steps + span.steps, seconds + elapsed) if step else (0, 0.0)
        step += span.steps
        rate = timed_steps / seconds if seconds else span.steps / elapsed
        yield events.Measured(step, {**scalars, "steps_per_second": rate})
        if bad := [name for name, value in scalars.items() if not math.isfinite(value)]:
            raise Diverged(f"{', '.join(bad)} not finite between steps {step - span.steps} and {step}")
        if span.evaluate:
            for measure in measures:
                yield events.Measured(step, measure())
            for name, samples in pictures.items():
                yield events.Images(step, name, samples())
    yield events.Saved(step, save())
    yield events.Ended(step)
