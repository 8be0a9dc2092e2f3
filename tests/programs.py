"""The programs in `src/`, as a user runs them, without waiting for their imports.

Each is a process of its own, forked from one that has imported everything and run nothing, as the jobs of a sweep are.
What has to be seen from the first line on, start-up and sweeps, is started as `python src/train.py` instead.
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
    """How a program ended, by the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


class Program:
    """`python src/PROGRAM.py ARGUMENTS`, started in `folder`."""

    def __init__(self, folder, program, *arguments, **environment):
        self._output = tempfile.TemporaryDirectory()
        self._command = [str(ROOT / "src" / f"{program}.py"), *arguments]
        given = (str(folder), self._command, {**os.environ, **environment}, self._output.name)
        self._process = _FORKS.Process(target=_run, args=given)
        self._process.start()

    def is_over(self):
        return self._process.exitcode is not None

    def send(self, how):
        os.kill(self._process.pid, how)

    def end(self, timeout=300):
        """Wait for it."""
        self._process.join(timeout)
        if not self.is_over():
            self._process.kill()
            self._process.join()
            raise TimeoutError(f"{self._command} took more than {timeout} s")
        with self._output as folder:
            return Ended(self._process.exitcode, *((Path(folder) / name).read_text() for name in ("1", "2")))


def run(folder, program, *arguments, **environment):
    """Run it to its end."""
    return Program(folder, program, *arguments, **environment).end()


def _run(folder, command, environment, output):
    for stream in (1, 2):
        with (Path(output) / str(stream)).open("wb") as file:
            os.dup2(file.fileno(), stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv, sys.orig_argv = list(command), [sys.executable, *command]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    runpy.run_path(command[0], run_name="__main__")
