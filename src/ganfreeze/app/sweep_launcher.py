"""What every launcher of ours does with the jobs of a sweep, whatever starts their processes.

- All configs are checked before the first job starts.
- `n_jobs` jobs run at a time. A job that fails or is killed stops no other job, and is tried again.
- The same command again goes on with the sweep: finished jobs are not run again.
- A table of all runs closes the sweep.
"""

import os
import sys
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from ganfreeze.app import exits
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.sweep import Sweep
from ganfreeze.app.sweep_job import FAILED, is_done, job_name, numbered, parse_all
from ganfreeze.errors import BadInput

_SOURCE = Path(__file__).parent.parent.parent


class SweepLauncher(Launcher):
    """Trains the jobs of a sweep, `n_jobs` at a time. How one of them is started is for the classes below it."""

    def __init__(self) -> None:
        self.stopping = False
        self.devices = 1  # the most that a job has
        self._sweep: Sweep | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context, self._task, self._config = hydra_context, task_function, config
        # New processes do not inherit sys.path: without this they would import an installed ganfreeze, not this one.
        paths = [str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)

    @property
    @abstractmethod
    def n_jobs(self) -> int:
        """How many jobs run at a time. It is known after `warm_up`."""

    @abstractmethod
    def prepare(self) -> None:
        """Get ready to start jobs; their configs are parsed meanwhile. Raises BadInput where none can be started."""

    @abstractmethod
    def give_up(self) -> None:
        """Undo what `prepare` did: no job will be started."""

    @abstractmethod
    def attempt(self, job: DictConfig) -> JobReturn:
        """Start a job and wait for its end; if it fails, say so on stderr. Several threads call this at a time."""

    @abstractmethod
    def stop(self) -> None:
        """Let every `attempt` return soon: the sweep is interrupted, and `stopping` is true."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        with exits.friendly_errors():  # Ctrl-C works also where a shell lets what a script starts with & ignore it
            self.warm_up()
            try:
                composed = [self.compose(overrides) for overrides in job_overrides]
                variants = parse_all(composed)
                sweep = self._begin(variants, [job_name(job) for job in composed], initial_job_idx)
            except BaseException:
                self.give_up()
                raise
        jobs = dict(enumerate(composed, initial_job_idx))
        returns = self.train(sweep, jobs)
        print(f"\n{sweep.close()}", flush=True)
        failed = [number for number, ended in zip(jobs, returns, strict=True) if not is_done(ended)]
        if lines := list(chain(*map(sweep.failures, failed))):
            raise SystemExit("\n".join([*lines, f"ganfreeze: {len(lines)} of {sweep.count(jobs)} runs failed"]))
        return returns

    def warm_up(self) -> None:
        """Get ready to start jobs, and to compose their configs."""
        try:
            self.prepare()
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {error}") from None
        setup_globals()

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return the config of a job."""
        return self._context.config_loader.load_sweep_config(self._config, list(overrides))

    def train(self, sweep: Sweep, jobs: Mapping[int, DictConfig]) -> list[JobReturn]:
        """Train jobs of a sweep, by their numbers, and return what each returned. If it is interrupted, end here."""
        self.devices = max([self.devices, *(job.devices for job in jobs.values())])
        named = [numbered(job, sweep.name, number) for number, job in jobs.items()]
        pool = ThreadPoolExecutor(self.n_jobs)
        try:
            with sweep.shown(self.n_jobs):
                first = pool.map(partial(self._run, sweep, wait=False), named)
                return list(pool.map(partial(self._unless_done, sweep), named, list(first)))
        except KeyboardInterrupt as error:
            self.stopping = True
            self.stop()
            pool.shutdown(cancel_futures=True)
            print(f"\n{sweep.close()}", flush=True)
            raise exits.interrupted(error, "ganfreeze: sweep interrupted; the same command goes on with it") from None

    def _begin(self, variants: Sequence[Variant], names: Sequence[str], first: int) -> Sweep:
        """Add these jobs to the sweep; Hydra may launch a sweep in several batches."""
        try:
            self._sweep = self._sweep or Sweep(variants)
            self._sweep.add(first, names, variants)
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {error}") from None
        return self._sweep

    def _unless_done(self, sweep: Sweep, job: DictConfig, returned: JobReturn | None) -> JobReturn:
        return returned or self._run(sweep, job, wait=True) or FAILED

    def _run(self, sweep: Sweep, job: DictConfig, *, wait: bool) -> JobReturn | None:
        """Run a job unless it is finished, and again if it fails. The other jobs go on whatever happens to it.

        If a process of another launcher trains it now, wait for the end of that; or, unless `wait`, return None.
        """
        number, name, attempts, returned = job.hydra.job.num, job_name(job), 0, FAILED
        while not is_done(returned):
            while sweep.is_running(number) and not self.stopping:
                if not wait:
                    return None
                time.sleep(1)
            if sweep.is_finished(number):
                print(f"{name} is finished already", flush=True)
                return JobReturn(status=JobStatus.COMPLETED)
            if attempts == sweep.attempts or self.stopping or sweep.is_hopeless(number):
                break
            if attempts:
                print(f"{name} is tried again", file=sys.stderr, flush=True)
            returned = self.attempt(job)
            attempts += not sweep.is_running(number)
        return returned
