"""Show sweeps, or the runs of one, with their state, cost and time left."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rich.markup import escape
from rich.table import Table

from ganfreeze.errors import one_line
from ganfreeze.record.report import formats
from ganfreeze.record.run_folder import Progress
from ganfreeze.record.sweep_ledger import Ledger

_COMMAND = 100  # characters of a command that are shown
_STATES = ("FINISHED", "RUNNING", "KILLED", "FAILED", "waiting")


class Time(NamedTuple):
    """The seconds that the runs of a sweep have taken, and those that are left, None if nothing tells."""

    cost: float
    left: float | None


def sweeps_table(sweeps: Sequence[tuple[Ledger, Sequence[Progress | None]]]) -> str:
    """Return a table with one line for each sweep; a job that was not started has no progress."""
    table = _table("sweep", "runs", *(state.lower() for state in _STATES), "cost", "left", "command")
    for ledger, progress in sweeps:
        counts = Counter(_state(each) for each in progress)
        time = time_of(progress)
        cells = [str(counts[state]) if counts[state] else "-" for state in _STATES]
        table.add_row(
            ledger.name,
            str(len(progress)),
            *cells,
            formats.duration(time.cost),
            formats.duration(time.left),
            escape(one_line(ledger.command, _COMMAND)),
        )
    return formats.text(table)


def jobs_table(ledger: Ledger, progress: Sequence[Progress | None]) -> str:
    """Return a table with one line for each run of a sweep."""
    table = _table("run", "state", "step", "cost", "left", "why")
    for job, each in zip(ledger.jobs, progress, strict=True):
        step = f"{each.step} of {each.steps}" if each and each.steps else "-"
        time = time_of([each])
        table.add_row(
            escape(job.name),
            _state(each).lower(),
            step,
            formats.duration(time.cost),
            formats.duration(time.left),
            escape(each.why if each else ""),
        )
    return formats.text(table)


def time_of(progress: Sequence[Progress | None]) -> Time:
    """Return the cost of these runs, and the time left if as many run at a time as do now, or one if none does.

    A run that has begun is taken to go on at its speed. One that has not is taken to cost the mean of the others.
    """
    begun = [each for each in progress if each and each.step]
    full = [each.seconds * each.steps / each.step for each in begun]
    left = sum(
        each.seconds * (each.steps - each.step) / each.step
        for each in begun
        if each.status not in ("FINISHED", "FAILED")
    )
    unknown = sum(each is None or (not each.step and each.status != "FAILED") for each in progress)
    cost = sum(each.seconds for each in progress if each)
    if unknown and not full:
        return Time(cost, None)
    left += unknown * (sum(full) / len(full) if full else 0.0)
    at_a_time = max(1, sum(_state(each) == "RUNNING" for each in progress))
    return Time(cost, left / at_a_time)


def _state(progress: Progress | None) -> str:
    return progress.status if progress else "waiting"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table
