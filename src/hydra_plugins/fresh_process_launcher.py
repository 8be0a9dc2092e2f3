"""A Hydra launcher that runs each job of a sweep in a process of its own.

Hydra's launcher runs all jobs in one process, and joblib's reuses its workers. A variant then inherits TensorFlow's
threads, memory, seeds and traced functions from the variant before it. This launcher shares nothing but the machine:

- `n_jobs` processes run at a time. Each has its share of the cores, and of a GPU where there is one.
- They are forked from a process that has imported everything and computed nothing, so no job waits for imports.

What XLA compiles is not shared. TensorFlow could keep it in a folder (TF_XLA_FLAGS=--tf_xla_persistent_cache_directory)
and save a job a second or two. But a full disk or a damaged file in that folder ends the run.
"""

import multiprocessing
import os
import queue
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import cloudpickle
import psutil
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from omegaconf import DictConfig

from ganfreeze import signals
from ganfreeze.app.sweep_job import FAILED, folder_of, job_name
from ganfreeze.app.sweep_launcher import SweepLauncher
from ganfreeze.app.validation import parse_options
from ganfreeze.backend import job_shares
from ganfreeze.errors import BadInput
from ganfreeze.types import Count

_LONGEST = 60  # bytes of TMPDIR, below which Python makes a socket with a name of up to 40
_PATIENCE = 60.0  # seconds that an interrupted job has to end in order; Python drops an interruption in a destructor


class FreshProcessLauncher(SweepLauncher):
    """Run `n_jobs` jobs at a time. With more than one, each job prints to `output.log` in its own folder."""

    def __init__(self, n_jobs: Count) -> None:
        try:
            parse_options("hydra.launcher", FreshProcessLauncher, {"n_jobs": n_jobs})
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {error}") from None
        super().__init__()
        self._n_jobs = n_jobs
        self._processes: set[BaseProcess] = set()
        self._lock = threading.Lock()
        self._forks = multiprocessing.get_context("forkserver")
        self._forks.set_forkserver_preload(["ganfreeze.app.preload"])
        self._shares = cache(partial(_shares, n_jobs))

    @property
    def n_jobs(self) -> int:
        """How many jobs run at a time."""
        return self._n_jobs

    def prepare(self) -> None:
        """Let the process that jobs are forked from import everything while the configs are parsed."""
        os.environ |= job_shares.core_shares(self.n_jobs)
        with _short_socket_address(), signals.ignored_by_children():  # Ctrl-C would interrupt its imports
            forkserver.ensure_running()

    def give_up(self) -> None:
        """End the process that jobs are forked from. It may be importing for seconds yet."""
        for process in psutil.Process().children():
            process.kill()

    def attempt(self, job: DictConfig) -> JobReturn:
        """Run a job in a new process and wait for it."""
        folder, name = folder_of(job), job_name(job)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as exchange:
                code = self._process(job, Path(exchange), folder)
                result = Path(exchange) / "result"
                if code == 0 and result.exists():
                    return cloudpickle.loads(result.read_bytes())
        except (OSError, EOFError) as error:  # EOFError: the fork server ended while it started the job
            print(f"{name}: {error or 'the process that jobs are forked from has ended'}", file=sys.stderr, flush=True)
            return FAILED
        number = -code if code < 0 else code - 128  # of the signal that ended it, or that it ended itself after
        ending = f"was ended by {signal.Signals(number).name}" if number in set(signal.Signals) else "failed"
        log = "" if self.n_jobs == 1 else f", see {folder / 'output.log'}"
        print(f"{name} {ending}{log}", file=sys.stderr, flush=True)
        return FAILED

    def _process(self, job: DictConfig, exchange: Path, folder: Path) -> int:
        command_line = sys.argv, sys.orig_argv
        payload = self._context, self._task, job, Singleton.get_state(), command_line
        (exchange / "payload").write_bytes(cloudpickle.dumps(payload))
        log = None if self.n_jobs == 1 else folder / "output.log"
        with self._lock:
            shares = self._shares(self.devices)
        share = shares.get()
        try:
            process = self._forks.Process(target=_in_the_new_process, args=(exchange, share, log))
            with self._lock:  # no process may start after `stop` has ended the others
                if self.stopping:
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
            shares.put(share)

    def stop(self) -> None:
        """Interrupt all jobs. They save a checkpoint and end."""
        signals.ignore()  # one is enough: the jobs end in order now
        with self._lock:
            for process in self._processes:
                process.terminate()
                patience = threading.Timer(_PATIENCE, process.kill)
                patience.daemon = True
                patience.start()


def _shares(n_jobs: int, devices: int) -> queue.SimpleQueue[Mapping[str, str]]:
    """Return the shares of the GPUs that jobs with so many devices take, and give back."""
    shares: queue.SimpleQueue[Mapping[str, str]] = queue.SimpleQueue()
    for share in job_shares.gpu_shares(n_jobs, job_shares.gpus(), devices):
        shares.put(share)
    return shares


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
