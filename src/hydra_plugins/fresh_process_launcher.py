"""A Hydra launcher that runs each job of a sweep in a process of its own.

Hydra's launcher runs all jobs in one process, and joblib's reuses its workers. A variant then inherits TensorFlow's
threads, memory, seeds and traced functions from the variant before it. This launcher shares nothing but the machine:

- `n_jobs` processes run at a time. Each has its share of the cores, and of a GPU where there is one.
- They are forked from a process that has imported everything and computed nothing, so no job waits for imports.
- All configs are checked before the first job starts. A job that fails or is killed stops no other job.
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
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from uuid import uuid4

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ganfreeze.app import exits
from ganfreeze.app.parse_config import Variant, parse
from ganfreeze.app.validation import parse_options
from ganfreeze.backend import job_shares
from ganfreeze.errors import BadInput
from ganfreeze.types import Count

_SOURCE = Path(__file__).parent.parent
_PATIENCE = 60.0  # seconds that an interrupted job has to end in order; Python drops an interruption in a destructor


class FreshProcessLauncher(Launcher):
    """Run `n_jobs` jobs at a time. With more than one, each job prints to `output.log` in its own folder."""

    def __init__(self, n_jobs: Count) -> None:
        try:
            parse_options("hydra.launcher", FreshProcessLauncher, {"n_jobs": n_jobs})
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {error}") from None
        self._n_jobs = n_jobs
        self._sweep = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{uuid4().hex[:6]}"
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
        setup_globals()
        jobs = [self._job(number, list(overrides)) for number, overrides in enumerate(job_overrides, initial_job_idx)]
        tracker = _parse(jobs)[0].tracker
        exits.catch_signals()  # also because a shell lets what a script starts with & ignore SIGINT
        os.environ |= job_shares.core_shares(self._n_jobs)
        if self._shares.empty():  # Hydra may launch a sweep in several batches, and each batch returns its shares
            for share in job_shares.gpu_shares(self._n_jobs, job_shares.gpus()):
                self._shares.put(share)
        pool = ThreadPoolExecutor(self._n_jobs)
        try:
            returns = list(pool.map(self._run, jobs))
        except KeyboardInterrupt as error:
            self._stop()
            pool.shutdown(cancel_futures=True)
            print(f"\n{tracker.close_sweep(self._sweep)}", flush=True)
            raise exits.interrupted(error, "ganfreeze: sweep interrupted") from None
        print(f"\n{tracker.close_sweep(self._sweep)}", flush=True)
        if failed := sum(returned.status == JobStatus.FAILED for returned in returns):
            raise SystemExit(f"ganfreeze: {failed} of {len(returns)} runs failed")
        return returns

    def _job(self, number: int, overrides: list[str]) -> DictConfig:
        config = self._context.config_loader.load_sweep_config(self._config, overrides)
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = f"{self._sweep}/{number}", number
        return config

    def _run(self, job: DictConfig) -> JobReturn:
        """Run a job in a new process and wait for it. If it fails, the other jobs go on."""
        folder = Path(job.hydra.sweep.dir, job.hydra.sweep.subdir)
        name = _name(job)
        try:
            with tempfile.TemporaryDirectory() as exchange:
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
        folder.mkdir(parents=True, exist_ok=True)
        log = None if self._n_jobs == 1 else folder / "output.log"
        share = self._shares.get()
        try:
            process = self._forks.Process(target=_in_the_new_process, args=(exchange, share, log))
            with self._lock:  # no process may start after `_stop` has ended the others
                if self._stopping:
                    return -signal.SIGINT
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
        exits.ignore_signals()  # one is enough: the jobs end in order now
        with self._lock:
            self._stopping = True
            for process in self._processes:
                process.terminate()
                patience = threading.Timer(_PATIENCE, process.kill)
                patience.daemon = True
                patience.start()


def _name(job: DictConfig) -> str:
    return " ".join(filter_overrides(job.hydra.overrides.task))


def _parse(jobs: Sequence[DictConfig]) -> list[Variant]:
    """Parse all configs, so that a bad one stops the sweep before any job starts."""
    variants = []
    for job in jobs:
        config = copy.deepcopy(job)
        with open_dict(config):
            words = config.pop("hydra").runtime.choices
        try:
            variants.append(parse(config, words))
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {_name(job)}:\n{error}") from None
    return variants


def _in_the_new_process(exchange: Path, share: Mapping[str, str], log: Path | None) -> None:
    """Run a job and leave its result in `exchange`. Exit with 1 where the job failed."""
    if log:
        with log.open("wb") as file:
            for stream in (sys.stdout, sys.stderr):
                os.dup2(file.fileno(), stream.fileno())
    os.environ |= share
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
