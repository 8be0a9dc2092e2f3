"""What each program does, with an example, and where its configs are: in a checkout, or in an installed package."""

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parents[1]

# An installed package holds its own configs. A checkout has them at the top, where `src/` is.
IS_INSTALLED = (_PACKAGE / "conf").is_dir()
CONF = _PACKAGE / "conf" if IS_INSTALLED else _CHECKOUT / "conf"
EXPERIMENTS = _CHECKOUT / "experiments"


class Purpose(NamedTuple):
    """What a program does, and an example of its arguments."""

    line: str
    example: str


PURPOSES: Mapping[str, Purpose] = {
    "train": Purpose("Train a variant, or with -m a sweep of them", "-m strategy=tape,compile"),
    "report": Purpose("Report on a sweep, with verdicts", "sweep=last"),
    "freeze_matrix": Purpose("Measure who moves when, for each mechanism, Keras and mode", ""),
    "equivalence": Purpose("Certify whether variants are the same algorithm", "a=tape b=compile"),
    "dynamics": Purpose("Hold strategies against the Dirac-GAN's published dynamics", "strategies=[tape,train_step]"),
    "evaluate": Purpose("Evaluate a finished run again", "run=RUN_ID evaluator.samples=10000 samples_seeds=5"),
    "sample": Purpose("Draw samples from a finished run", "run=RUN_ID output=samples.png"),
    "reproduce": Purpose("Run a recorded run again, and compare every metric and weight", "run=RUN_ID"),
    "replay": Purpose("Run one step of a run again, and show its losses and gradients", "run=RUN step=5000"),
    "sweeps": Purpose("List sweeps with their state, cost and time left", ""),
    "sync": Purpose("Bring to MLflow what did not reach it while runs trained", ""),
}


def purpose(program: str) -> str:
    """Return what a program does, with a command that starts it from a checkout."""
    line, example = PURPOSES[program]
    return f"{line}: {f'python src/{program}.py {example}'.strip()}"


def as_typed(text: str) -> str:
    """Return a text in which programs are called as the user starts them.

    An installed package has no `src/`: `python src/train.py` becomes `ganfreeze train` there.
    """
    return re.sub(r"(?:python )?\bsrc/(\w+)\.py", r"ganfreeze \1", text) if IS_INSTALLED else text


def typed_command() -> str:
    """Return the command that started this process, without its interpreter; `ganfreeze` without its folder."""
    program, *arguments = sys.orig_argv[1:]
    return shlex.join([Path(program).name if IS_INSTALLED else program, *arguments])
