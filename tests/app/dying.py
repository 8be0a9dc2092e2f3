"""Run a program that kills itself, as kill -9 does, at a chosen place: in a log, a checkpoint, an evaluation.

`dying.py save 2 train strategy=tape` runs train.py, which dies in its third checkpoint.
"""

import os
import runpy
import signal
import sys
from pathlib import Path
from unittest import mock

from alembic.ddl.impl import DefaultImpl

from ganfreeze.evaluation.sampler import Sampler
from ganfreeze.record import checksums, delivered, final_weights
from ganfreeze.record.checkpoints import Checkpoints
from ganfreeze.record.journal import Journal
from ganfreeze.strategy.engine.fused import Fused

SOURCE = Path(__file__).parent.parent.parent / "src"


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_a_line(journal):
    """Write half of what is to be written, and die."""
    with journal._path.open("ab", buffering=0) as file:
        file.write(journal._waiting[: len(journal._waiting) // 2])
    die()


def terminate(*_, **__):
    os.kill(os.getpid(), signal.SIGTERM)


# By its name: the owner of the function that is called at a place, the function's name, and what happens before it.
PLACES = {
    "log": (Journal, "_write", die_in_a_line),
    "signal": (Fused, "advance", terminate),
    "save": (checksums, "write", die),  # the variables of a checkpoint are written, but not yet their checksums
    "saved": (Checkpoints, "_prune", die),
    "evaluation": (Sampler, "__call__", die),
    "delivery": (delivered, "note", die),  # records were delivered, but that is not yet noted
    "weights": (final_weights, "save", die),
    "store": (DefaultImpl, "create_table", die),  # MLflow makes the tables of a new store
}


def main(place, passes, program, *arguments):
    owner, name, instead = PLACES[place]
    original, left = getattr(owner, name), [int(passes)]

    def count(*positional, **named):
        left[0] -= 1
        if left[0] == -1:
            instead(*positional, **named)
        return original(*positional, **named)

    sys.argv = [str(SOURCE / f"{program}.py"), *arguments]
    with mock.patch.object(owner, name, count):
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
