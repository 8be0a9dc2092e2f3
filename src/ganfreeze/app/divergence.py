"""Find the step of a run that gave NaN or infinity, and run a step of a run again."""

import math
from pathlib import Path
from typing import NamedTuple

from ganfreeze import events
from ganfreeze.app.training_setup import TrainingSetup
from ganfreeze.commands import as_typed
from ganfreeze.errors import BadInput, Diverged
from ganfreeze.loop import Cadence
from ganfreeze.overrides import typed
from ganfreeze.proof.audit import inventory
from ganfreeze.proof.snapshot import Snapshot
from ganfreeze.proof.step_replay import not_finite, report_calls
from ganfreeze.proof.step_report import StepReport
from ganfreeze.record.checkpoints import Checkpoints
from ganfreeze.strategy.base import Strategy
from ganfreeze.types import Metrics

_STEPS_BEFORE = 10  # whose losses are shown


class _Rerun(NamedTuple):
    """What is needed to run steps of a run again. `strategy` is that of the setup, with the checks of the run."""

    setup: TrainingSetup
    strategy: Strategy
    kept: Checkpoints
    cadence: Cadence


def explain(
    setup: TrainingSetup,
    strategy: Strategy,
    kept: Checkpoints,
    cadence: Cadence,
    steps: tuple[int, int] | None,
    folder: Path,
) -> events.Explained | None:
    """Return what happened in the first step up to the last of these that gives NaN or infinity.

    The steps since the latest checkpoint before them are run again, by the `strategy` that the run had. None is
    returned if none of them goes wrong again, if there is no such checkpoint, or if it was no step that went wrong.
    """
    if steps is None or not kept.has(before=steps[0]):
        return None
    report = _report(_Rerun(setup, strategy, kept, cadence), kept.restore(before=steps[0]), steps[1], wanted=None)
    if report is None:
        return None
    sentence = as_typed(
        f"step {report.step}: {report.fault}. The last checkpoint before it is that of step {report.checkpoint} in "
        f"{folder}. To run this step again: python src/replay.py run={folder.name} step={report.step} "
        f"{typed('state', str(folder.parent))}"
    )
    return events.Explained(report.step, sentence, report.text(), report.json())


def replay(setup: TrainingSetup, strategy: Strategy, kept: Checkpoints, cadence: Cadence, step: int) -> StepReport:
    """Run a step again as the run did, from the latest checkpoint before it, and report on it.

    Raises:
        BadInput: the run has no such step, or no checkpoint before it.
    """
    if not 1 <= step <= cadence.steps:
        raise BadInput(f"step={step}: the run has the steps 1 to {cadence.steps}")
    if not kept.has(before=step):
        raise BadInput(f"step={step}: the run has no checkpoint of an earlier step")
    report = _report(_Rerun(setup, strategy, kept, cadence), kept.restore(before=step), step, wanted=step)
    assert report is not None
    return report


def _report(rerun: _Rerun, checkpoint: int, last: int, wanted: int | None) -> StepReport | None:
    """Run the steps after a checkpoint again, and report on step number `wanted`, or on the first that goes wrong.

    Whole spans are run as the run did. Then the span with that step, and the one before it, are run step by step.
    """
    setup, step = rerun.setup, checkpoint
    owned = inventory(setup.strategy, setup.game)
    begins = [(step, Snapshot(setup.variables))]
    for span in rerun.cadence._replace(steps=last).spans(step):
        if wanted is not None and step + span.steps >= wanted:
            break
        metrics = _advanced(rerun, step, span.steps)
        step += span.steps
        if wanted is None and not (_is_finite(metrics) and not any(not_finite(owned))):
            break
        begins = [*begins[-1:], (step, Snapshot(setup.variables))]
    (step, state), suspect = begins[0], begins[-1][0]
    state.restore()
    before: list[tuple[int, Metrics]] = []
    for number in range(step + 1, last + 1):
        if number < (wanted or suspect + 1):
            metrics = _advanced(rerun, number - 1, 1)
            before += [(number, metrics)] if _is_finite(metrics) else []
            continue
        state = Snapshot(setup.variables)
        if wanted is None:
            metrics = setup.strategy.advance(setup.streams, number - 1, 1)
            if _is_finite(metrics) and not any(not_finite(owned)):
                before.append((number, metrics))
                continue
            state.restore()
        calls = report_calls(setup.strategy, setup.game, setup.streams, number - 1)
        return StepReport(number, checkpoint, before[-_STEPS_BEFORE:], calls)
    return None


def _advanced(rerun: _Rerun, step: int, steps: int) -> Metrics:
    try:
        return rerun.strategy.advance(rerun.setup.streams, step, steps)
    except Diverged:  # every step would have to be left out
        return {"loss": math.nan}


def _is_finite(metrics: Metrics) -> bool:
    return all(map(math.isfinite, metrics.values()))
