"""A job of a sweep on a node of a cluster: it runs as beside its launcher, and is put back if it is preempted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from ganfreeze.backend import job_shares

_OWN = "GANFREEZE_"  # begins the names of our environment variables


@dataclass(frozen=True, kw_only=True)
class NodeTask:
    """What a node calls with the config of the job "SWEEP/NUMBER". The launcher made it, and sends it there.

    The job runs in the launcher's working folder, which the nodes share, with its command line and with its environment
    variables that are ours. It has as many threads as `cores`: not every cluster binds a job to its cores.
    """

    task: TaskFunction
    job: str
    cores: float
    folder: Path = field(default_factory=Path.cwd)
    command_line: tuple[Sequence[str], Sequence[str]] = field(default_factory=lambda: (sys.argv, sys.orig_argv))
    environment: Mapping[str, str] = field(default_factory=lambda: _own(os.environ))

    def __call__(self, config: DictConfig) -> Any:
        os.chdir(self.folder)
        os.environ.update({**self.environment, **job_shares.threads(self.cores)})
        sys.argv, sys.orig_argv = map(list, self.command_line)
        hydra: Any = HydraConfig.get()
        with read_write(hydra), open_dict(hydra):
            hydra.job.id = self.job  # the engine has put an id of its own there
        try:
            with _put_back_if_preempted():
                return self.task(config)
        except SystemExit as ended:
            if isinstance(ended.code, str):  # a sentence: to an engine, an exit is a machine that was lost
                raise RuntimeError(ended.code) from None
            raise


def _own(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_OWN)}


@contextmanager
def _put_back_if_preempted() -> Iterator[None]:
    """Let a Slurm job that is interrupted end in order, with a checkpoint, and then wait in the queue again.

    SIGTERM comes before a preemption, and SIGUSR2 before the end of the job's time. For that, submitit has a handler
    that puts the job back at once. It is called once the run has ended. A job that the user cancelled is not put back.
    Ray needs nothing of this: it starts a task again whose process has ended by itself.
    """
    put_back = signal.getsignal(signal.SIGUSR2)
    if "SLURM_JOB_ID" not in os.environ or not callable(put_back):
        yield
        return
    signal.signal(signal.SIGUSR2, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        yield
    except SystemExit as ended:
        if ended.code == 128 + signal.SIGTERM and _is_wanted(os.environ["SLURM_JOB_ID"]):
            put_back(signal.SIGUSR2, None)
        raise


def _is_wanted(job: str) -> bool:
    command = ["squeue", "--noheader", "--format=%T", f"--jobs={job}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "RUNNING"
