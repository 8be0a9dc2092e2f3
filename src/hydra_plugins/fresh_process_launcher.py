"""A Hydra launcher that gives every job of a sweep a process of its own.

Hydra's own launcher runs all jobs in one process and joblib's reuses its workers, so that a variant inherits
TensorFlow's threads, memory, seeds and traced functions from the one before it. Here nothing is shared but the
machine: `n_jobs` processes at a time, each with its share of the cores. A job that fails or is killed takes no other
with it. All jobs are checked before the first one starts, and a table closes the sweep.
"""

import contextlib
import copy
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ganfreeze import app, errors, validation
from ganfreeze.types import Count

_PATIENCE = 60.0  # seconds for a job to end in order: an interruption raised inside a destructor is lost


class FreshProcessLauncher(Launcher):
    """Runs `n_jobs` jobs at a time; with more than one, what each prints goes to `output.log` in its folder."""

    def __init__(self, n_jobs: Count) -> None:
        self._n_jobs = n_jobs
        self._sweep = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{uuid4().hex[:6]}"
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._stopping = False
        self._lock = threading.Lock()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        setup_globals()
        jobs = [self._job(number, list(each)) for number, each in enumerate(job_overrides, initial_job_idx)]
        _check(jobs, self._n_jobs)
        for each in (
            signal.SIGINT,
            signal.SIGTERM,
        ):  # SIGINT too: a shell starts what a script puts behind an & deaf to it
            signal.signal(each, signal.default_int_handler)
        pool = ThreadPoolExecutor(self._n_jobs)
        try:
            returns = list(pool.map(self._run, jobs))
        except KeyboardInterrupt:
            self._stop()
            pool.shutdown(cancel_futures=True)
            print(f"\n{app.close_sweep(jobs[0])}", flush=True)
            raise SystemExit("ganfreeze: sweep interrupted") from None
        print(f"\n{app.close_sweep(jobs[0])}", flush=True)
        if failed := sum(each.status == JobStatus.FAILED for each in returns):
            raise SystemExit(f"ganfreeze: {failed} of {len(returns)} runs failed")
        return returns

    def _job(self, number: int, overrides: list[str]) -> DictConfig:
        config = self._context.config_loader.load_sweep_config(self._config, overrides)
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = f"{self._sweep}/{number}", number
        return config

    def _run(self, job: DictConfig) -> JobReturn:
        """Run a job in a new process, and wait for it. Whatever happens to it, the other jobs go on."""
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
        ending = f"was ended by {signal.Signals(-code).name}" if code < 0 else "failed"
        log = "" if self._n_jobs == 1 else f", see {folder / 'output.log'}"
        print(f"{name} {ending}{log}", file=sys.stderr, flush=True)
        return JobReturn(status=JobStatus.FAILED)

    def _process(self, job: DictConfig, exchange: Path, folder: Path) -> int:
        command_line = sys.argv, sys.orig_argv
        payload = self._context, self._task, job, Singleton.get_state(), command_line
        (exchange / "payload").write_bytes(cloudpickle.dumps(payload))
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as files:
            log = None if self._n_jobs == 1 else files.enter_context((folder / "output.log").open("wb"))
            command = [sys.executable, "-P", "-m", __name__, str(exchange)]
            with self._lock:  # so that no process begins after `_stop` has ended those there are
                if self._stopping:
                    return -signal.SIGINT
                process = subprocess.Popen(command, env=_environment(self._n_jobs), stdout=log, stderr=log)
                self._processes.add(process)
            code = process.wait()
            self._processes.remove(process)
        return code

    def _stop(self) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):  # one is enough: the jobs end in order now
            signal.signal(each, signal.SIG_IGN)
        with self._lock:
            self._stopping = True
            for process in self._processes:
                process.terminate()
                patience = threading.Timer(_PATIENCE, process.kill)
                patience.daemon = True
                patience.start()


def _name(job: DictConfig) -> str:
    return " ".join(filter_overrides(job.hydra.overrides.task))


def _check(jobs: Sequence[DictConfig], n_jobs: int) -> None:
    """Refuse the whole sweep before any job starts, if one of its configs is no good."""
    try:
        validation.check_options("hydra.launcher", FreshProcessLauncher, {"n_jobs": n_jobs}, given=())
    except errors.BadInput as error:
        raise SystemExit(f"ganfreeze: nothing was started; {error}") from None
    for job in jobs:
        config = copy.deepcopy(job)
        with open_dict(config):
            words = config.pop("hydra").runtime.choices
        try:
            app.check(config, words)
        except errors.BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {_name(job)}:\n{error}") from None


def _environment(n_jobs: int) -> Mapping[str, str]:
    """This environment, where the job finds the same modules and its share of the cores and of a GPU."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if n_jobs == 1:
        return environment
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    share = dict.fromkeys(threads, str(max(1, cores // n_jobs)))
    return environment | share | {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def _in_the_new_process(exchange: Path) -> int:
    context, task, job, singletons, command_line = cloudpickle.loads((exchange / "payload").read_bytes())
    sys.argv, sys.orig_argv = command_line  # what the user typed is what the run records
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
        return 1
    (exchange / "result").write_bytes(cloudpickle.dumps(returned))
    return 0


if __name__ == "__main__":
    sys.exit(_in_the_new_process(Path(sys.argv[1])))
