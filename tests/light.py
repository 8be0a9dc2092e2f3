"""Run the programs in `src/` in processes that have not imported TensorFlow, and tell whether they import it.

The processes are forked from one that has imported what every program does at first, and run nothing. As a script, this
is that process: each line of its input is a program to run, and it answers with its exit status.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import forked_program

SOURCE = Path(__file__).parent.parent / "src"


class Ended(NamedTuple):
    """The end of a program, with the names of `subprocess.CompletedProcess`, and whether it imported TensorFlow."""

    returncode: int
    stdout: str
    stderr: str
    imported_tensorflow: bool


@cache
def _server():
    """Start the process that programs are forked from, once in a session. It ends with this process."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, __file__]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def run(folder, program, *arguments, **environment):
    """Run `python src/PROGRAM.py ARGUMENTS` in `folder`, with these environment variables only, to its end."""
    command = [str(SOURCE / f"{program}.py"), *arguments]
    server = _server()
    with tempfile.TemporaryDirectory() as output:
        server.stdin.write(json.dumps([str(folder), command, environment, output]) + "\n")
        server.stdin.flush()
        returncode = int(server.stdout.readline())
        imported, stdout, stderr = ((Path(output) / name).read_text() for name in ("imported", "1", "2"))
    return Ended(returncode, stdout, stderr, imported == "True")


def _run(folder, command, environment, output):
    """Run a program in this process, and note whether it has imported TensorFlow."""
    try:
        forked_program.run(folder, command, environment, output)
    finally:
        Path(output, "imported").write_text(str("tensorflow" in sys.modules))


def main():
    """Run the programs that standard input names."""
    from ganfreeze.app import programs, report, train  # noqa: F401

    assert "tensorflow" not in sys.modules
    forks = multiprocessing.get_context("fork")
    for line in sys.stdin:
        process = forks.Process(target=_run, args=json.loads(line))
        process.start()
        process.join()
        print(process.exitcode, flush=True)


if __name__ == "__main__":
    main()
