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
_TENTHS = 10  # of a run's steps: after one of them, its speed tells how long it takes
_STATES = ("FINISHED", "RUNNING", "KILLED", "FAILED", "waiting")


class Time(NamedTuple):
    """The seconds that the runs of a sweep have taken, and those that are left, None if nothing tells."""

    cost: float
    left: float | None


class Standing(NamedTuple):
    """How many runs of a sweep are finished, of how many, how many failed, and the seconds left, None if unknown."""

    finished: int
    runs: int
    failed: int
    left: float | None

    def sentence(self) -> str:
        """Return it in words. It says nothing of the time left while nothing tells."""
        failed = f", {self.failed} failed" if self.failed else ""
        left = f", about {formats.duration(self.left)} left" if self.left else ""
        return f"{self.finished} of {self.runs} finished{failed}{left}"

    def news(self) -> tuple[int, int, bool]:
        """Return the part that a log has a line on when it changes; the time left always does."""
        return self.finished, self.failed, self.left is not None


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


def time_of(progress: Sequence[Progress | None], at_a_time: int | None = None) -> Time:
    """Return the cost of these runs, and the time left if this many jobs run at a time: by default as many as do now.

    A job of `seeds_at_once` is several runs, which share its time. A run that has taken a tenth of its steps is taken
    to go on at its speed. Another one is taken to train for the mean time of those, after the shortest of their
    set-ups: only the first run trains a classifier. A FAILED run is over.
    """
    cost = sum(each.seconds / each.at_once for each in progress if each)
    known = [each for each in progress if each and each.step and _TENTHS * each.step >= each.steps]
    unended = [each for each in progress if not each or each.status not in ("FINISHED", "FAILED")]
    if not known and unended:
        return Time(cost, None)
    training = {id(each): (each.seconds - each.setup) * each.steps / each.step for each in known}
    usual = min(each.setup for each in known) + sum(training.values()) / len(known) if known else 0.0

    def left(run: Progress | None) -> float:
        if run and id(run) in training:
            return training[id(run)] * (run.steps - run.step) / run.steps
        return max(0.0, usual - run.seconds) if run else usual

    def share(run: Progress | None) -> float:
        """Return which part of a job a run is."""
        return 1 / (run or known[0]).at_once

    each_left = [left(run) for run in unended]
    work = sum(share(run) * seconds for run, seconds in zip(unended, each_left, strict=True))
    running = sum(share(each) for each in progress if _state(each) == "RUNNING")
    jobs = max(1, min(at_a_time or running, sum(share(run) for run in unended)))
    return Time(cost, max(work / jobs, *each_left, 0.0))


def standing(progress: Sequence[Progress | None], at_a_time: int) -> Standing:
    """Return how a sweep of these runs stands, of which this many run at a time."""
    counts = Counter(_state(each) for each in progress)
    return Standing(counts["FINISHED"], len(progress), counts["FAILED"], time_of(progress, at_a_time).left)


def _state(progress: Progress | None) -> str:
    return progress.status if progress else "waiting"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table
