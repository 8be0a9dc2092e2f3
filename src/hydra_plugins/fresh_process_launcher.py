"""A Hydra launcher that gives every job of a sweep a process of its own.

Hydra's own launcher runs all jobs in one process and joblib's reuses its workers, so that a variant inherits
TensorFlow's threads, memory, seeds and traced functions from the one before it. Here nothing is shared but the
machine: `n_jobs` processes at a time, each with its share of the cores. A job that fails or is killed takes no other
with it. All jobs are checked before the first one starts, and a table closes the sweep.
"""

import contextlib
import copy
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


class FreshProcessLauncher(Launcher):
    """Runs `n_jobs` jobs at a time; with more than one, what each prints goes to `output.log` in its folder."""

    def __init__(self, n_jobs: int) -> None:
        self._n_jobs = n_jobs
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        setup_globals()
        jobs = [self._job(number, list(each)) for number, each in enumerate(job_overrides, initial_job_idx)]
        _check(jobs)
        pool = ThreadPoolExecutor(self._n_jobs)
        try:
            returns = list(pool.map(self._run, jobs))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(self._processes.values()):
                process.terminate()
            pool.shutdown()
            self._close(jobs)
            raise SystemExit("ganfreeze: sweep interrupted") from None
        self._close(jobs)
        if failed := sum(each.status == JobStatus.FAILED for each in returns):
            raise SystemExit(f"ganfreeze: {failed} of {len(returns)} runs failed")
        return returns

    def _job(self, number: int, overrides: list[str]) -> DictConfig:
        config = self._context.config_loader.load_sweep_config(self._config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return config

    def _run(self, job: DictConfig) -> JobReturn:
        folder = Path(job.hydra.sweep.dir, job.hydra.sweep.subdir)
        folder.mkdir(parents=True, exist_ok=True)
        payload, result = folder / ".job.pickle", folder / ".result.pickle"
        payload.write_bytes(cloudpickle.dumps((self._context, self._task, job, Singleton.get_state())))
        command = [sys.executable, "-m", __name__, str(payload), str(result)]
        name = " ".join(filter_overrides(job.hydra.overrides.task))
        with contextlib.ExitStack() as files:
            log = None if self._n_jobs == 1 else files.enter_context((folder / "output.log").open("wb"))
            process = subprocess.Popen(command, env=_environment(self._n_jobs), stdout=log, stderr=log)
            self._processes[process.pid] = process
            process.wait()
            del self._processes[process.pid]
        payload.unlink()
        if result.exists():
            returned: JobReturn = cloudpickle.loads(result.read_bytes())
            result.unlink()
        else:
            returned = JobReturn(status=JobStatus.FAILED)
        if self._n_jobs > 1:
            print(f"{name}: {returned.status.name.lower()}, see {folder / 'output.log'}", flush=True)
        return returned

    def _close(self, jobs: Sequence[DictConfig]) -> None:
        from ganfreeze import app

        print("\n" + app.close_sweep(jobs[0], jobs[0].hydra.sweep.dir), flush=True)


def _check(jobs: Sequence[DictConfig]) -> None:
    """Refuse the whole sweep before any job starts, if one of its configs is no good."""
    from ganfreeze import app, types

    for job in jobs:
        try:
            config = copy.deepcopy(job)
            with open_dict(config):
                words = config.pop("hydra").runtime.choices
            app.check(config, words)
        except types.BadInput as error:
            overrides = " ".join(filter_overrides(job.hydra.overrides.task))
            raise SystemExit(f"ganfreeze: nothing was started; {overrides}:\n{error}") from None


def _environment(n_jobs: int) -> Mapping[str, str]:
    """This environment, where the job finds the same modules and its share of the cores."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if n_jobs == 1:
        return environment
    share = str(max(1, len(os.sched_getaffinity(0)) // n_jobs))
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return environment | dict.fromkeys(threads, share)


def _in_the_new_process(payload: Path, result: Path) -> int:
    context, task, job, singletons = cloudpickle.loads(payload.read_bytes())
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
    result.write_bytes(cloudpickle.dumps(returned))
    return 0


if __name__ == "__main__":
    paths: list[Any] = [Path(argument) for argument in sys.argv[1:]]
    sys.exit(_in_the_new_process(*paths))
