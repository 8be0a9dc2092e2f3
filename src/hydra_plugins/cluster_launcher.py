"""A Hydra launcher that hands the jobs of a sweep to the launcher of a cluster: submitit's for Slurm, or Ray's.

That launcher, the engine, starts a job on some node, in a new process, and waits for it. A job that the cluster takes
back continues there: Slurm puts it into its queue again, and Ray starts it on another node. Everything else is as on
one machine: what is finished is not run again, what fails is tried again, and a table closes the sweep.
"""

import copy
import logging
import sys
import threading
from abc import abstractmethod
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from hydra.utils import get_class
from omegaconf import DictConfig

from ganfreeze.app.node_task import NodeTask
from ganfreeze.app.sweep_job import FAILED, job_name
from ganfreeze.app.sweep_launcher import SweepLauncher
from ganfreeze.errors import BadInput, one_line


class ClusterLauncher(SweepLauncher):
    """Hand each job to an `engine`, the name of a class, which takes `options`."""

    def __init__(self, engine: str, options: dict[str, Any]) -> None:
        super().__init__()
        self._engine, self._options = engine, options

    @property
    @abstractmethod
    def cores(self) -> float:
        """How many cores the cluster gives to a job."""

    @abstractmethod
    def connect(self) -> None:
        """Find the cluster. Raises BadInput where there is none."""

    def prepare(self) -> None:
        """Find the engine and its cluster. Raises BadInput where one of them is missing."""
        try:
            self._class: type[Launcher] = get_class(self._engine)
        except Exception:
            word = self._config.hydra.runtime.choices["hydra/launcher"]
            raise BadInput(f"hydra/launcher={word} is not installed: pip install 'ganfreeze[cluster]'") from None
        package = self._class.__module__.rpartition(".")[0]
        logging.getLogger(package).setLevel(logging.WARNING)  # it would say several things of each job
        self.connect()

    def give_up(self) -> None:
        """Nothing was started."""

    def attempt(self, job: DictConfig) -> JobReturn:
        """Let the engine run a job, in a thread that is left alone if the sweep is interrupted."""
        returned = Future[JobReturn]()
        threading.Thread(target=lambda: returned.set_result(self._launched(job)), daemon=True).start()
        while not self.stopping:
            try:
                return returned.result(timeout=0.5)
            except TimeoutError:
                continue
        return FAILED

    def stop(self) -> None:
        """Leave the jobs to the engine: Slurm goes on with them, Ray ends them with this process."""

    def _launched(self, job: DictConfig) -> JobReturn:
        name, composed = job_name(job), _Composed(job)
        try:
            engine = self._class(**copy.deepcopy(self._options))
            engine.setup(
                hydra_context=HydraContext(composed, self._context.callbacks),  # pyright: ignore[reportArgumentType]
                task_function=NodeTask(task=self._task, job=job.hydra.job.id, cores=self.cores),
                config=composed.load_sweep_config(),
            )
            (returned,) = engine.launch([list(job.hydra.overrides.task)], job.hydra.job.num)
        except (Exception, SystemExit) as error:  # of the engine, the cluster, the network: the job did not come back
            print(f"{name}: {one_line(error, 500)}", file=sys.stderr, flush=True)
            return FAILED
        if returned.status != JobStatus.COMPLETED:
            print(f"{name} failed: {one_line(returned._return_value, 500)}", file=sys.stderr, flush=True)
        return returned


class _Composed(NamedTuple):
    """A config loader of Hydra that has one config: what was checked is what runs, and nodes compose nothing."""

    job: DictConfig

    def load_sweep_config(self, *_: Any) -> DictConfig:
        """Return the config of the job. Its folder has a full name: the working folder of a node is another one."""
        job = copy.deepcopy(self.job)
        job.hydra.sweep.dir = str(Path(job.hydra.sweep.dir).absolute())
        return job
