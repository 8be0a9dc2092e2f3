"""The training loop: it yields events and records nothing."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from ganfreeze import events
from ganfreeze.data.dataset.base import Examples
from ganfreeze.data.streams import Streams
from ganfreeze.errors import Diverged
from ganfreeze.strategy.base import Strategy
from ganfreeze.types import Metrics


def train(
    *,
    strategy: Strategy,  # trains both networks
    streams: Streams,  # the batches and the noise
    measures: Sequence[Callable[[], Metrics]],  # called at each evaluation
    pictures: Mapping[str, Callable[[], Examples]],  # by name: samples of the same latent vectors each time
    save: Callable[[], Path],  # writes the weights, and returns their folder
    cadence: "Cadence",  # how many steps, and when to log and evaluate
) -> Iterator[events.Event]:
    """Yield everything worth recording; record nothing.

    `steps_per_second` is the mean over all training time so far. It leaves out the first span, which traces the graphs,
    as soon as there is another.

    Raises:
        Diverged: a metric of training became NaN or infinite. Everything measured until then was yielded.
    """
    step, timed_steps, seconds = 0, 0, 0.0
    yield events.Started(step, cadence.steps)
    for name, samples in pictures.items():
        yield events.Sampled(step, name, samples())
    for span in cadence.spans(step):
        began = perf_counter()
        metrics = dict(strategy.advance(streams, step, span.steps))
        elapsed = perf_counter() - began
        timed_steps, seconds = (timed_steps + span.steps, seconds + elapsed) if step else (0, 0.0)
        step += span.steps
        rate = timed_steps / seconds if seconds else span.steps / elapsed
        yield events.Measured(step, {**metrics, "steps_per_second": rate})
        if diverged := [name for name, value in metrics.items() if not math.isfinite(value)]:
            raise Diverged(f"{', '.join(diverged)} not finite between steps {step - span.steps} and {step}")
        if span.evaluate:
            for measure in measures:
                yield events.Measured(step, measure())
            for name, samples in pictures.items():
                yield events.Sampled(step, name, samples())
    yield events.Saved(step, save())
    yield events.Ended(step)


class Span(NamedTuple):
    """A number of steps in one go; `evaluate` says whether the networks are evaluated after them."""

    steps: int
    evaluate: bool


class Cadence(NamedTuple):
    """Train `steps` steps; log every `log` steps; evaluate every `evaluate` steps and after the last step."""

    steps: int
    log: int
    evaluate: int

    def spans(self, step: int) -> Iterator[Span]:
        """Yield the spans from `step` to the last step. Each ends at the next log or evaluation."""
        while step < self.steps:
            end = min(self.steps, *((step // every + 1) * every for every in (self.log, self.evaluate)))
            yield Span(end - step, end % self.evaluate == 0 or end == self.steps)
            step = end
