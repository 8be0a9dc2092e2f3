"""Find the step of a run that gave NaN or infinity, and run a step of a run again."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

from ganfreeze import events
from ganfreeze.app.training_setup import TrainingSetup
from ganfreeze.data.streams import Streams
from ganfreeze.errors import BadInput, Diverged
from ganfreeze.loop import Cadence
from ganfreeze.proof.audit import inventory
from ganfreeze.proof.snapshot import Snapshot
from ganfreeze.proof.step_replay import not_finite, report_calls
from ganfreeze.proof.step_report import StepReport
from ganfreeze.record.checkpoints import Checkpoints
from ganfreeze.strategy.base import Strategy
from ganfreeze.types import Metrics

_STEPS_BEFORE = 10  # whose losses are shown


def explain(
    setup: TrainingSetup,
    strategy: Strategy,
    kept: Checkpoints,
    cadence: Cadence,
    steps: tuple[int, int],
    folder: Path,
) -> Iterator[events.Explained]:
    """Yield what happened in the first of these steps that gives NaN or infinity; nothing if none gives it again.

    The steps since the latest checkpoint before them are run again, by the `strategy` that the run had: that of the
    setup, with the checks of the run.
    """
    first, last = steps
    checkpoint = kept.restore(before=first)
    _advance(strategy, setup.streams, cadence, checkpoint, first - 1)
    owned = inventory(setup.strategy, setup.game)
    before: list[tuple[int, Metrics]] = []
    for step in range(first, last + 1):
        state = Snapshot(setup.variables)
        metrics = setup.strategy.advance(setup.streams, step - 1, 1)
        if all(map(math.isfinite, metrics.values())) and not any(not_finite(owned)):
            before.append((step, metrics))
            continue
        state.restore()
        calls = report_calls(setup.strategy, setup.game, setup.streams, step - 1)
        report = StepReport(step, checkpoint, before[-_STEPS_BEFORE:], calls)
        sentence = (
            f"step {step}: {report.fault}. The last checkpoint before it is that of step {checkpoint} in {folder}. "
            f"To run this step again: python src/replay.py run={folder.name} step={step}"
        )
        yield events.Explained(step, sentence, report.text(), report.json())
        return


def replay(setup: TrainingSetup, strategy: Strategy, kept: Checkpoints, cadence: Cadence, step: int) -> StepReport:
    """Run a step again as the run did, from the latest checkpoint before it, and report on it.

    Raises:
        BadInput: the run has no such step.
    """
    if not 1 <= step <= cadence.steps:
        raise BadInput(f"step={step}: the run has the steps 1 to {cadence.steps}")
    checkpoint = kept.restore(before=step)
    begin = max(checkpoint, step - 1 - _STEPS_BEFORE)
    _advance(strategy, setup.streams, cadence, checkpoint, begin)
    before = []
    for number in range(begin, step - 1):
        with contextlib.suppress(Diverged):  # the run left this step out
            before.append((number + 1, strategy.advance(setup.streams, number, 1)))
    return StepReport(step, checkpoint, before, report_calls(setup.strategy, setup.game, setup.streams, step - 1))


def _advance(strategy: Strategy, streams: Streams, cadence: Cadence, step: int, end: int) -> None:
    """Train from `step` to `end`, in the spans of the run as far as they go: other spans may round differently."""
    for span in cadence._replace(steps=end).spans(step):
        strategy.advance(streams, step, span.steps)
        step += span.steps
