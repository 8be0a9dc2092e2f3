"""What each program does, with an example, and where configs and experiments are: in a checkout, or in the package."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ganfreeze.commands import IS_INSTALLED

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parents[1]

CONF = _PACKAGE / "conf" if IS_INSTALLED else _CHECKOUT / "conf"
EXPERIMENTS = CONF.with_name("experiments")


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
