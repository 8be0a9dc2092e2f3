"""TensorFlow, imported on first use and without its start-up messages.

`from ganfreeze.backend import tensorflow as tf` costs nothing. So a mistyped config is refused at once, not after the
seconds that `import tensorflow` takes. The first access to an attribute imports TensorFlow. No other module imports it.
"""

import gc
import logging
import os
import sys
import tempfile
from contextlib import contextmanager
from typing import Any


@contextmanager
def _stderr_held_back():
    """Hold back what C++ writes to stderr, and write it out only if the import fails.

    TF_CPP_MIN_LOG_LEVEL has no effect on the lines that are written before absl's logging is set up.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextmanager
def _left_out(*packages: str):
    """Let packages seem absent, so that Keras does without its wrappers of them: each import of one takes long."""
    absent = [package for package in packages if package not in sys.modules]
    for package in absent:
        sys.modules[package] = None  # pyright: ignore[reportArgumentType]: Python's own way to forbid an import
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]


@contextmanager
def _collector_paused():
    """Pause Python's garbage collector, and spare it afterwards what there is: a million objects, of which none goes.

    To search them again and again takes a quarter of the time of a short run.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def __getattr__(name: str) -> Any:
    if name.startswith("__"):  # the import system and inspect ask for these, and mean this module's own
        raise AttributeError(name)
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        for logger in ("absl", "tensorflow"):  # TensorFlow logs each checkpoint and each model that it writes
            logging.getLogger(logger).setLevel(logging.WARNING)
        with _stderr_held_back(), _left_out("sklearn", "matplotlib"), _collector_paused():
            import tensorflow
            import tf_keras  # noqa: F401  # TensorFlow Probability imports it, and it prints while it loads
    import tensorflow

    return getattr(tensorflow, name)
