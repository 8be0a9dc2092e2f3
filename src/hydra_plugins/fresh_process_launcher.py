"""A Hydra launcher that runs each job of a sweep in a process of its own.

Hydra's launcher runs all jobs in one process, and joblib's reuses its workers. A variant then inherits TensorFlow's
threads, memory, seeds and traced functions from the variant before it. This launcher shares nothing but the machine:

- `n_jobs` processes run at a time. Each has its share of the cores, and of a GPU where there is one.
- They are forked from a process that has imported everything and computed nothing, so no job waits for imports.
- All configs are checked before the first job starts. A job that fails or is killed stops no other job, and is tried
  again. The same command again goes on with the sweep: finished jobs are not run again.
- A table of all runs closes the sweep.

What XLA compiles is not shared. TensorFlow could keep it in a folder (TF_XLA_FLAGS=--tf_xla_persistent_cache_directory)
and save a job a second or two. But a full disk or a damaged file in that folder ends the run.
"""

import copy
import multiprocessing
import os
import queue
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ganfreeze import signals
from ganfreeze.app import exits
from ganfreeze.app.parse_config import Variant, parse
from ganfreeze.app.sweep import Sweep
from ganfreeze.app.validation import parse_options
from ganfreeze.backend import job_shares
from ganfreeze.errors import BadInput
from ganfreeze.types import Count

_SOURCE = Path(__file__).parent.parent
_LONGEST = 60  # bytes of TMPDIR, below which Python makes a socket with a name of up to 40
_PATIENCE = 60.0  # seconds that an interrupted job has to end in order; Python drops an interruption in a destructor


class FreshProcessLauncher(Launcher):
    """Run `n_jobs` jobs at a time. With more than one, each job prints to `output.log` in its own folder."""

    def __init__(self, n_jobs: Count) -> None:
        try:
            parse_options("hydra.launcher", FreshProcessLauncher, {"n_jobs": n_jobs})
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {error}") from None
        self._n_jobs = n_jobs
        self._sweep: Sweep | None = None
        self._processes: set[BaseProcess] = set()
        self._stopping = False
        self._lock = threading.Lock()
        self._forks = multiprocessing.get_context("forkserver")
        self._forks.set_forkserver_preload(["ganfreeze.app.preload"])
        self._shares: queue.SimpleQueue[Mapping[str, str]] = queue.SimpleQueue()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context, self._task, self._config = hydra_context, task_function, config
        # The fork server does not inherit sys.path: without this it would import an installed ganfreeze, not this one.
        paths = [str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        with exits.friendly_errors():  # Ctrl-C works also where a shell lets what a script starts with & ignore it
            self.warm_up()
            composed = [self.compose(overrides) for overrides in job_overrides]
            variants = _parse(composed)
            sweep = self._begin(variants, [job_name(job) for job in composed], initial_job_idx)
        jobs = dict(enumerate(composed, initial_job_idx))
        returns = self.train(sweep, jobs)
        print(f"\n{sweep.close()}", flush=True)
        if failed := [number for number, ended in zip(jobs, returns, strict=True) if not _is_done(ended)]:
            lines = "\n".join(map(sweep.ending, failed))
            raise SystemExit(f"{lines}\nganfreeze: {len(failed)} of {len(returns)} runs failed")
        return returns

    @property
    def n_jobs(self) -> int:
        """How many jobs run at a time."""
        return self._n_jobs

    def warm_up(self) -> None:
        """Let the process that jobs are forked from import everything while the configs are parsed."""
        os.environ |= job_shares.core_shares(self._n_jobs)
        with _short_socket_address(), signals.ignored_by_children():  # Ctrl-C would interrupt its imports
            forkserver.ensure_running()
        setup_globals()

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return the config of a job."""
        return self._context.config_loader.load_sweep_config(self._config, list(overrides))

    def train(self, sweep: Sweep, jobs: Mapping[int, DictConfig]) -> list[JobReturn]:
        """Train jobs of a sweep, by their numbers, and return what each returned. If it is interrupted, end here."""
        numbered = [_numbered(job, sweep, number) for number, job in jobs.items()]
        if self._shares.empty():  # a sweep may have several batches, and each batch returns its shares
            devices = max(job.devices for job in jobs.values())
            for share in job_shares.gpu_shares(self._n_jobs, job_shares.gpus(), devices):
                self._shares.put(share)
        pool = ThreadPoolExecutor(self._n_jobs)
        try:
            with sweep.shown(self._n_jobs):
                first = pool.map(partial(self._run, sweep, wait=False), numbered)
                return list(pool.map(partial(self._unless_done, sweep), numbered, list(first)))
        except KeyboardInterrupt as error:
            self._stop()
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
        return returned or self._run(sweep, job, wait=True) or JobReturn(status=JobStatus.FAILED)

    def _run(self, sweep: Sweep, job: DictConfig, *, wait: bool) -> JobReturn | None:
        """Run a job unless it is finished, and again if it fails. The other jobs go on whatever happens to it.

        If a process of another launcher trains it now, wait for the end of that; or, unless `wait`, return None.
        """
        number, name, attempts = job.hydra.job.num, job_name(job), 0
        returned = JobReturn(status=JobStatus.FAILED)
        while not _is_done(returned):
            while sweep.is_running(number) and not self._stopping:
                if not wait:
                    return None
                time.sleep(1)
            if sweep.is_finished(number):
                print(f"{name} is finished already", flush=True)
                return JobReturn(status=JobStatus.COMPLETED)
            if attempts == sweep.attempts or self._stopping or sweep.is_hopeless(number):
                break
            if attempts:
                print(f"{name} is tried again", file=sys.stderr, flush=True)
            returned = self._attempt(job)
            attempts += not sweep.is_running(number)
        return returned

    def _attempt(self, job: DictConfig) -> JobReturn:
        """Run a job in a new process and wait for it."""
        folder = Path(job.hydra.sweep.dir, job.hydra.sweep.subdir)
        name = job_name(job)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as exchange:
                code = self._process(job, Path(exchange), folder)
                result = Path(exchange) / "result"
                if code == 0 and result.exists():
                    return cloudpickle.loads(result.read_bytes())
        except OSError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            return JobReturn(status=JobStatus.FAILED)
        number = -code if code < 0 else code - 128  # of the signal that ended it, or that it ended itself after
        ending = f"was ended by {signal.Signals(number).name}" if number > 0 else "failed"
        log = "" if self._n_jobs == 1 else f", see {folder / 'output.log'}"
        print(f"{name} {ending}{log}", file=sys.stderr, flush=True)
        return JobReturn(status=JobStatus.FAILED)

    def _process(self, job: DictConfig, exchange: Path, folder: Path) -> int:
        command_line = sys.argv, sys.orig_argv
        payload = self._context, self._task, job, Singleton.get_state(), command_line
        (exchange / "payload").write_bytes(cloudpickle.dumps(payload))
        log = None if self._n_jobs == 1 else folder / "output.log"
        share = self._shares.get()
        try:
            process = self._forks.Process(target=_in_the_new_process, args=(exchange, share, log))
            with self._lock:  # no process may start after `_stop` has ended the others
                if self._stopping:
                    return -signal.SIGINT
                with _short_socket_address():  # a fork server that was killed is started again
                    process.start()
                self._processes.add(process)
            wait([process.sentinel])
            with self._lock:  # `start` joins ended processes too, and two joins at a time would clash
                process.join()
                self._processes.remove(process)
            return process.exitcode or 0
        finally:
            self._shares.put(share)

    def _stop(self) -> None:
        signals.ignore()  # one is enough: the jobs end in order now
        with self._lock:
            self._stopping = True
            for process in self._processes:
                process.terminate()
                patience = threading.Timer(_PATIENCE, process.kill)
                patience.daemon = True
                patience.start()


@contextmanager
def _short_socket_address() -> Iterator[None]:
    """Let the fork server's socket lie in a folder with a short name: the system cuts off addresses at 108 bytes."""
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > _LONGEST:
        tempfile.tempdir = "/tmp"
    try:
        yield
    finally:
        tempfile.tempdir = folder


def job_name(job: DictConfig) -> str:
    """Return the overrides of a job."""
    return " ".join(filter_overrides(job.hydra.overrides.task))


def _is_done(returned: JobReturn) -> bool:
    return returned.status == JobStatus.COMPLETED


def _numbered(job: DictConfig, sweep: Sweep, number: int) -> DictConfig:
    with open_dict(job):
        job.hydra.job.id, job.hydra.job.num = f"{sweep.name}/{number}", number
    return job


def parsed(job: DictConfig) -> Variant:
    """Parse the config of a job. Raises BadInput."""
    config = copy.deepcopy(job)
    with open_dict(config):
        words = config.pop("hydra").runtime.choices
    return parse(config, words)


def _parse(jobs: Sequence[DictConfig]) -> list[Variant]:
    """Parse all configs, so that a bad one stops the sweep before any job starts."""
    variants = []
    for job in jobs:
        try:
            variants.append(parsed(job))
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {job_name(job)}:\n{error}") from None
    return variants


def _end_with_the_launcher() -> None:
    """Interrupt this process when its launcher is gone, so that nobody else trains what it trains."""
    launcher = multiprocessing.parent_process()
    assert launcher is not None
    wait([launcher.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _in_the_new_process(exchange: Path, share: Mapping[str, str], log: Path | None) -> None:
    """Run a job and leave its result in `exchange`. Exit with 1 where the job failed."""
    if log:
        with log.open("ab") as file:
            for stream in (sys.stdout, sys.stderr):
                os.dup2(file.fileno(), stream.fileno())
    os.environ |= share
    tempfile.tempdir = str(exchange)  # TensorFlow leaves files there, which go when the job has ended
    threading.Thread(target=_end_with_the_launcher, daemon=True).start()
    context, task, job, singletons, command_line = cloudpickle.loads((exchange / "payload").read_bytes())
    sys.argv, sys.orig_argv = command_line  # the run records what the user typed
    setup_globals()
    Singleton.set_state(singletons)
    returned = run_job(
        hydra_context=context,
        task_function=task,
        config=job,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    if returned.status == JobStatus.FAILED:
        traceback.print_exception(returned._return_value)
        sys.exit(1)
    (exchange / "result").write_bytes(cloudpickle.dumps(returned))
