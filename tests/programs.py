"""Run the programs in `src/` as a user does, but without waiting for their imports.

Each program runs in a new process. The process is forked from one that has imported everything and run nothing, as the
jobs of a sweep are; and so is the fork server of a sweep, and of a search. Tests of start-up run `python src/train.py`
instead.
"""

import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import forked_program
from conftest import ROOT
from filelock import FileLock

from ganfreeze.app.purposes import PURPOSES
from ganfreeze.record import mlflow_experiment

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        *(f"ganfreeze.app.{program}" for program in ("programs", *PURPOSES)),
        *(f"hydra_plugins.{name}" for name in ("fresh_process_launcher", "grid_sweeper", "optuna_sweeper")),
        *(f"ganfreeze.record.report.{module}" for module in ("page", "search_record", "summary", "sweep_table")),
        "ganfreeze.app.preload",
    ]
)


class Ended(NamedTuple):
    """The end of a program, with the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


class Program:
    """A running `python src/PROGRAM.py ARGUMENTS`, started in `folder`. `program` may be the path of another script."""

    def __init__(self, folder, program, *arguments, **environment):
        self._output = tempfile.TemporaryDirectory()
        script = program if isinstance(program, Path) else ROOT / "src" / f"{program}.py"
        self._command = [str(script), *arguments]
        call = (str(folder), self._command, {**os.environ, **environment}, self._output.name)
        self._process = _FORKS.Process(target=forked_program.run, args=call)
        self._process.start()

    def is_over(self):
        """Return whether the program has ended."""
        return self._process.exitcode is not None

    def send(self, signal_number):
        """Send a signal to the program."""
        os.kill(self._process.pid, signal_number)

    @property
    def pid(self):
        """The number of the program's process."""
        return self._process.pid

    def end(self, timeout=300):
        """Wait until the program ends, and return how it ended. Raises TimeoutError after `timeout` seconds."""
        self._process.join(timeout)
        if not self.is_over():
            self._process.kill()
            self._process.join()
            raise TimeoutError(f"{self._command} took more than {timeout} s")
        with self._output as folder:
            files = [Path(folder) / name for name in ("1", "2")]  # one that is killed at once has made none
            return Ended(self._process.exitcode, *(file.read_text() if file.exists() else "" for file in files))


def run(folder, program, *arguments, **environment):
    """Run a program to its end."""
    return Program(folder, program, *arguments, **environment).end()


def with_store(folder):
    """Put an empty MLflow store where runs in a folder record, and return the folder. MLflow takes a second to make it.

    The store is made once a session, and copied.
    """
    (folder / "mlruns").mkdir(parents=True)
    shutil.copy(empty_store(), folder / "mlruns" / "mlflow.db")
    return folder


def empty_store():
    """Return the file of an MLflow store with nothing in it, to be copied."""
    folder = Path(os.environ["GANFREEZE_CACHE"]) / "store"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mlflow.db"
    with FileLock(folder / "lock"):
        if not file.exists():
            mlflow_experiment.make_store(file)
    return file
