"""The training loop: it yields events and records nothing."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol

from ganfreeze import events, signals
from ganfreeze.data.dataset.base import Examples
from ganfreeze.data.streams import Streams
from ganfreeze.errors import Diverged
from ganfreeze.step_rate import StepRate
from ganfreeze.strategy.base import Strategy
from ganfreeze.types import Metrics


class Checkpoints(Protocol):
    """Where the state of training is kept: `restore` returns the step to go on from, 0 if nothing was kept.

    `is_finite` says whether no variable of the state is NaN or infinite.
    """

    def restore(self) -> int: ...

    def save(self, step: int) -> None: ...

    def is_finite(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is measured, drawn and kept at an evaluation, and what of it at a glance.

    - `measures`: called at each evaluation.
    - `glances`: those that take little time, called at each evaluation and each glance.
    - `pictures`: by name, called at both: samples of the same latent vectors each time.
    - `save_if_best`: writes the weights if the metrics of an evaluation are the best so far, and returns their folder.
    """

    measures: Sequence[Callable[[], Metrics]]
    glances: Sequence[Callable[[], Metrics]]
    pictures: Mapping[str, Callable[[], Examples]]
    save_if_best: Callable[[int, Metrics], Path | None]

    def run(self, step: int, cadence: "Cadence", *, tolerant: bool) -> Iterator[events.Event]:
        """Evaluate, or glance, after a step, as the cadence says. What is not finite is left out of a glance.

        Raises:
            Diverged: an evaluation is not finite, and it is not `tolerant`.
        """
        evaluates, measured = cadence.evaluates(step), {}
        lenient = tolerant or not evaluates
        due = [*(self.glances if step or cadence.glances(step) else ()), *(self.measures if step and evaluates else ())]
        for measure in due:
            if metrics := _unless_diverged(measure, lenient):
                measured |= metrics
                yield events.Measured(step, metrics)
        for name, samples in self.pictures.items():
            if (examples := _unless_diverged(samples, lenient)) is not None:
                yield events.Sampled(step, name, examples)
        if evaluates and (folder := self.save_if_best(step, measured)):
            yield events.Saved(step, folder, "best")


def train(
    *,
    strategy: Strategy,  # trains both networks
    streams: Streams,  # the batches and the noise
    evaluation: Evaluation,  # what is measured and drawn
    checkpoints: Checkpoints,  # keeps the state of training
    save: Callable[[], Path],  # writes the weights, and returns their folder
    cadence: "Cadence",  # how many steps, and when to log, to save, to evaluate and to glance
    tolerant: bool = False,  # goes on where a metric is NaN or infinite, and leaves out what cannot be measured then
) -> Iterator[events.Event]:
    """Yield everything worth recording; record nothing.

    It goes on from the latest checkpoint. The first is saved before the first step, each other one when the events
    before it were taken. An evaluation or a glance that was due at the step of the checkpoint is made again: its events
    may have been lost, and they are equal to those that were not.

    Ctrl-C and SIGTERM wait for the end of a span and a checkpoint there; a second one does not.

    `steps_per_second` is the mean over the training time of this process. It leaves out the first span, which traces
    the graphs, as soon as there is another. A strategy that trains other runs too gives its own.

    Raises:
        Diverged: a metric became NaN or infinite, or a variable was so when a checkpoint or a glance was due.
            Everything measured until then was yielded.
        KeyboardInterrupt: a signal came; it holds the signal's number.
    """
    step = checkpoints.restore()
    if not step:
        checkpoints.save(step)
    saved, rate = step, StepRate()
    yield events.Started(step, cadence.steps)
    if cadence.evaluates(step) or cadence.glances(step):
        yield from evaluation.run(step, cadence, tolerant=tolerant)
    for span in cadence.spans(step):
        yield events.Due(step, span.steps)
        with signals.held() as interruption:
            began = perf_counter()
            metrics = dict(strategy.advance(streams, step, span.steps))
            elapsed = perf_counter() - began
            step += span.steps
            yield events.Measured(step, {"steps_per_second": rate.after(span.steps, elapsed), **metrics})
            diverged = [name for name, value in metrics.items() if not math.isfinite(value)]
            if diverged and not tolerant:
                first = step - span.steps
                raise Diverged(f"{', '.join(diverged)} not finite between steps {first} and {step}", (first + 1, step))
            if (span.save or span.measure or interruption) and not (tolerant or checkpoints.is_finite()):
                raise Diverged(f"a variable is not finite after step {step}", (saved + 1, step))
            if span.save or interruption:
                checkpoints.save(step)
                saved = step
        if interruption:
            raise KeyboardInterrupt(interruption.number)
        if span.measure:
            yield from evaluation.run(step, cadence, tolerant=tolerant)
    yield events.Saved(step, save())
    yield events.Ended(step)


def _unless_diverged(function: Callable[[], Any], lenient: bool) -> Any:
    """Return what a function returns; None if it is `lenient` and the samples are not finite."""
    try:
        return function()
    except Diverged:
        if lenient:
            return None
        raise


class Span(NamedTuple):
    """A number of steps in one go, and what comes after them: a checkpoint, and an evaluation or a glance."""

    steps: int
    save: bool
    measure: bool


class Cadence(NamedTuple):
    """Train `steps` steps; log, evaluate, save and glance every so many steps; evaluate and save after the last step.

    Before each evaluation a checkpoint is saved too. A glance is a light evaluation without one.
    """

    steps: int
    log: int
    evaluate: int
    save: int
    glance: int | None = None

    def spans(self, step: int) -> Iterator[Span]:
        """Yield the spans from `step` to the last step. Each ends at the next log, evaluation, checkpoint or glance."""
        cadences = [every for every in (self.log, self.evaluate, self.save, self.glance) if every]
        while step < self.steps:
            end = min(self.steps, *((step // every + 1) * every for every in cadences))
            evaluate = self.evaluates(end)
            yield Span(end - step, evaluate or end % self.save == 0, evaluate or self.glances(end))
            step = end

    def evaluates(self, step: int) -> bool:
        """Return whether the networks are evaluated after this step. Before the first one, there are only pictures."""
        return step % self.evaluate == 0 or step == self.steps

    def glances(self, step: int) -> bool:
        """Return whether there is a glance after this step; the first one comes before the first step."""
        return self.glance is not None and step % self.glance == 0
