"""A sweep as its launcher sees it: what its jobs are called, which are finished, and how it ended."""

import shlex
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from ganfreeze.app import resume
from ganfreeze.app.parse_config import Variant
from ganfreeze.errors import BadInput
from ganfreeze.record import sweep_ledger
from ganfreeze.record.run_folder import Progress
from ganfreeze.record.sweep_ledger import Job


class Sweep:
    """A sweep: the jobs of one command. The same command again makes the same sweep, unless `resume=never`.

    Its `name` is known when the first jobs were added.
    """

    name = ""

    def __init__(self, variants: Sequence[Variant]) -> None:
        """`variants` are those of its jobs, or the first of them.

        Raises:
            BadInput: `resume` names a single run.
        """
        settings = variants[0].settings
        if any(variant.settings.resume not in ("auto", "never") for variant in variants):
            raise BadInput("resume: a sweep goes on with resume=auto; a run's id continues this run, without -m")
        self._state, self._retries = Path(settings.paths.state), settings.sweep.retries
        self._digest = sha256("".join(map(resume.key, variants)).encode()).hexdigest()[:8]
        self._anew, self._jobs = settings.resume == "never", {}

    @property
    def attempts(self) -> int:
        """How often a job may be started by one command."""
        return 1 + self._retries

    def add(self, first: int, names: Sequence[str], variants: Sequence[Variant]) -> None:
        """Write jobs, numbered from `first`, to the ledger. Raises BadInput where that is impossible."""
        if not self.name:
            self.name = sweep_ledger.begin(self._state, self._digest, shlex.join(sys.orig_argv[1:]), anew=self._anew)
        jobs = [
            Job(name, resume.key(variant, f"{self.name}/{number}"))
            for number, (name, variant) in enumerate(zip(names, variants, strict=True), first)
        ]
        self._jobs |= dict(enumerate(jobs, first))
        sweep_ledger.write_jobs(self._state, self.name, jobs)

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

    def _status(self, number: int) -> str:
        progress = self._progress(number)
        return progress.status if progress else "not started"

    def _progress(self, number: int) -> Progress | None:
        return sweep_ledger.progress(self._state, self._jobs[number].key)
