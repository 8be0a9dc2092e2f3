"""A sweep as its launcher sees it: what its jobs are called, which are finished, and how it ended."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from itertools import chain
from pathlib import Path

from ganfreeze.app import resume
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.seeds import name_of_seed, single_seeds
from ganfreeze.commands import typed_command
from ganfreeze.errors import BadInput
from ganfreeze.record import sweep_ledger, sweep_progress
from ganfreeze.record.run_folder import Progress
from ganfreeze.record.study import Ended, Findings
from ganfreeze.record.sweep_ledger import Job


class Sweep:
    """A sweep: the jobs of one command. The same command again makes the same sweep, unless `resume=never`.

    Its `name` is known when the first jobs were added.
    """

    name = ""

    def __init__(self, variants: Sequence[Variant], plan: str = "") -> None:
        """`variants` are those of its jobs, or the first of them; `plan` says what the others are chosen from.

        Raises:
            BadInput: `resume` names a single run.
        """
        settings = variants[0].settings
        if any(variant.settings.resume not in ("auto", "never") for variant in variants):
            raise BadInput("resume: a sweep goes on with resume=auto; a run's id continues this run, without -m")
        self._tracker = variants[0].tracker
        self._state, self._retries = Path(settings.paths.state), settings.sweep.retries
        self._digest = sha256("".join([*map(resume.key, variants), plan]).encode()).hexdigest()[:8]
        self._anew = settings.resume == "never"
        self._jobs: dict[int, list[Job]] = {}

    @property
    def attempts(self) -> int:
        """How often a job may be started by one command."""
        return 1 + self._retries

    @property
    def state(self) -> Path:
        """The folder `paths.state`."""
        return self._state

    def begin(self) -> None:
        """Find or make the ledger, unless that is done, and so the name. Raises BadInput where that is impossible."""
        if not self.name:
            self.name = sweep_ledger.begin(self._state, self._digest, typed_command(), anew=self._anew)

    def add(self, first: int, names: Sequence[str], variants: Sequence[Variant]) -> None:
        """Write jobs, numbered from `first`, to the ledger. Raises BadInput where that is impossible."""
        self.begin()
        for number, (name, variant) in enumerate(zip(names, variants, strict=True), first):
            self._jobs[number] = list(_runs_of(name, variant, f"{self.name}/{number}"))
        added = range(first, first + len(names))
        sweep_ledger.write_jobs(self._state, self.name, list(chain(*map(self._jobs.__getitem__, added))))

    def shown(self, n_jobs: int) -> AbstractContextManager[None]:
        """Show on standard error how the sweep stands, until the block ends. One job at a time shows it itself."""
        jobs = list(chain(*self._jobs.values()))
        return sweep_progress.shown(sweep_progress.reader(self._state, jobs, n_jobs), runs_show_it=n_jobs == 1)

    def count(self, numbers: Iterable[int]) -> int:
        """Return how many runs these jobs have."""
        return sum(len(self._jobs[number]) for number in numbers)

    def is_finished(self, number: int) -> bool:
        """Return whether a job has ended well."""
        return set(self._statuses(number)) == {"FINISHED"}

    def is_running(self, number: int) -> bool:
        """Return whether a process trains a job now."""
        return "RUNNING" in self._statuses(number)

    def is_hopeless(self, number: int) -> bool:
        """Return whether a job failed in a way in which it would fail again: each run of it that has not finished."""
        unfinished = [each for _, each in self._progress(number) if each is None or each.status != "FINISHED"]
        return bool(unfinished) and all(each is not None and each.hopeless for each in unfinished)

    def failures(self, number: int) -> list[str]:
        """Return a line on each run of a job that has not ended well: its name, its status, and why."""
        lines = []
        for name, progress in self._progress(number):
            if progress is None:
                lines.append(f"{name}: failed before it began")
            elif progress.status != "FINISHED":
                lines.append(f"{name}: {progress.status}" + (f": {progress.why}" if progress.why else ""))
        return lines

    def ended(self, number: int, figure: str) -> Ended:
        """Return how a job of one run ended: with a figure of its last evaluation, or why it has none."""
        [(name, progress)] = self._progress(number)
        if progress is None or progress.status != "FINISHED":
            return Ended(None, "".join(self.failures(number)), hopeless=self.is_hopeless(number))
        value = progress.figures.get(figure, math.nan)
        if math.isfinite(value):
            return Ended(value)
        why = f"{figure} is {value}" if figure in progress.figures else f"{figure} was not measured"
        return Ended(None, f"{name}: {why}", hopeless=True)

    def close(self) -> str:
        """Link the recorded runs to each other, and return a table of them."""
        return self._tracker.close_sweep(self.name)

    def close_search(self, findings: Findings, conclusion: str) -> str:
        """Record what a search has found. Return a line that says where, or ""."""
        return self._tracker.close_search(self.name, findings, conclusion)

    def _statuses(self, number: int) -> list[str]:
        return [progress.status if progress else "not started" for _, progress in self._progress(number)]

    def _progress(self, number: int) -> list[tuple[str, Progress | None]]:
        """Return the name of each run of a job, and how far it is; None if it has not begun."""
        return [(job.name, sweep_ledger.progress(self._state, job.key)) for job in self._jobs[number]]


def _runs_of(name: str, variant: Variant, owner: str) -> Iterator[Job]:
    """Yield the runs of a job: one, or with `seeds_at_once` one for each seed."""
    variants = single_seeds(variant)
    for each in variants:
        own = name if len(variants) == 1 else name_of_seed(name, each.settings.seed)
        yield Job(own, resume.key(each, owner))
