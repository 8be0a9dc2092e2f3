"""Run the programs in `src/` as a user does, but without waiting for their imports.

Each program runs in a new process. The process is forked from one that has imported everything and run nothing, as the
jobs of a sweep are. Tests of start-up and of sweeps run `python src/train.py` instead.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["ganfreeze.app.preload"])


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
        self._process = _FORKS.Process(target=_run, args=call)
        self._process.start()

    def is_over(self):
        """Return whether the program has ended."""
        return self._process.exitcode is not None

    def send(self, signal_number):
        """Send a signal to the program."""
        os.kill(self._process.pid, signal_number)

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


def _run(folder, command, environment, output):
    """Run the program in this process, with its standard output and error in the files `output`/1 and `output`/2."""
    for stream in (1, 2):
        with (Path(output) / str(stream)).open("wb") as file:
            os.dup2(file.fileno(), stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = output  # TensorFlow leaves files there
    sys.argv, sys.orig_argv = list(command), [sys.executable, *command]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    runpy.run_path(command[0], run_name="__main__")
