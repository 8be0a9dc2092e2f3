"""What a process of tests/programs.py does. It imports nothing that is not loaded: not even pytest, by conftest."""

import os
import runpy
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from multiprocessing import util
from pathlib import Path

_SOURCE = Path(__file__).parent.parent / "src"


def run(folder, command, environment, output):
    """Run the program in this process, with its standard output and error in the files `output`/1 and `output`/2."""
    for stream in (1, 2):
        with (Path(output) / str(stream)).open("wb") as file:
            os.dup2(file.fileno(), stream)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    _import_from(Path(command[0]).parent)
    os.chdir(folder)
    tempfile.tempdir = output  # TensorFlow leaves files there
    sys.argv, sys.orig_argv = list(command), [sys.executable, *command]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    util.spawnv_passfds = _forked
    runpy.run_path(command[0], run_name="__main__")


def _import_from(folder):
    """Import what is beside a script, as Python does. If that is another ganfreeze, forget the one that is loaded."""
    sys.path.insert(0, str(folder))
    if (folder / "ganfreeze").is_dir() and folder != _SOURCE:
        for name in [name for name in sys.modules if name.partition(".")[0] in ("ganfreeze", "hydra_plugins")]:
            del sys.modules[name]


def _forked(_, command, passed):
    """Start the fork server that `command` starts, but from this process, with the open files `passed` only."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:  # a new interpreter would go on to ignore it
                signal.signal(number, signal.SIG_DFL)
        for file in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
            if file > 2 and file not in passed:
                with suppress(OSError):  # the folder itself was open
                    os.close(file)
        exec(command[-1], {})
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(0)
