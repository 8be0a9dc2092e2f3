"""A sweep as its launcher sees it: what its jobs are called, which are finished, and how it ended."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path

from ganfreeze.app import resume
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.purposes import typed_command
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
        self._anew, self._jobs = settings.resume == "never", {}

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
        jobs = [
            Job(name, resume.key(variant, f"{self.name}/{number}"))
            for number, (name, variant) in enumerate(zip(names, variants, strict=True), first)
        ]
        self._jobs |= dict(enumerate(jobs, first))
        sweep_ledger.write_jobs(self._state, self.name, jobs)

    def shown(self, n_jobs: int) -> AbstractContextManager[None]:
        """Show on standard error how the sweep stands, until the block ends. One job at a time shows it itself."""
        jobs = list(self._jobs.values())
        return sweep_progress.shown(sweep_progress.reader(self._state, jobs, n_jobs), runs_show_it=n_jobs == 1)

    def is_finished(self, number: int) -> bool:
        """Return whether a job has ended well."""
        return self._status(number) == "FINISHED"

    def is_running(self, number: int) -> bool:
        """Return whether a process trains a job now."""
        return self._status(number) == "RUNNING"

    def is_hopeless(self, number: int) -> bool:
        """Return whether a job failed in a way in which it would fail again."""
        progress = self._progress(number)
        return progress is not None and progress.hopeless

    def ending(self, number: int) -> str:
        """Return a line on a job that has not ended well: its name, its status, and why."""
        name, progress = self._jobs[number].name, self._progress(number)
        if progress is None:
            return f"{name}: failed before it began"
        return f"{name}: {progress.status}" + (f": {progress.why}" if progress.why else "")

    def ended(self, number: int, figure: str) -> Ended:
        """Return how a job ended: with a figure of its last evaluation, or why it has none."""
        progress = self._progress(number)
        if progress is None or progress.status != "FINISHED":
            return Ended(None, self.ending(number), hopeless=self.is_hopeless(number))
        value = progress.figures.get(figure, math.nan)
        if math.isfinite(value):
            return Ended(value)
        why = f"{figure} is {value}" if figure in progress.figures else f"{figure} was not measured"
        return Ended(None, f"{self._jobs[number].name}: {why}", hopeless=True)

    def close(self) -> str:
        """Link the recorded runs to each other, and return a table of them."""
        return self._tracker.close_sweep(self.name)

    def close_search(self, findings: Findings, conclusion: str) -> str:
        """Record what a search has found. Return a line that says where, or ""."""
        return self._tracker.close_search(self.name, findings, conclusion)

    def _status(self, number: int) -> str:
        progress = self._progress(number)
        return progress.status if progress else "not started"

    def _progress(self, number: int) -> Progress | None:
        return sweep_ledger.progress(self._state, self._jobs[number].key)
