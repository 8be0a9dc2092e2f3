"""Save the whole state of a training run every so often, and go on from there.

A checkpoint is a folder: the variables, written by TensorFlow's checkpoint library, what else the run must know
(`facts.json`), and the SHA-256 of each file. It appears under its name when it is complete, or not at all.
"""

import json
import logging
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput, one_line
from ganfreeze.evaluation import cache
from ganfreeze.evaluation.metrics import ranking
from ganfreeze.record import checksums
from ganfreeze.strategy.engine.skipping import all_finite
from ganfreeze.types import Metrics, Variable

_log = logging.getLogger(__name__)
_STATE, _FACTS, _BEST = "state", "facts.json", "best.json"


class Checkpoints:
    """The checkpoints in `folder`: the last `last`, and the one with the best value of the metric `best`.

    `variables` is everything that training changes, in an order that does not depend on the process. `facts` goes into
    every checkpoint.
    """

    def __init__(
        self, folder: Path, variables: Sequence[Variable], *, last: int, best: str | None, facts: Mapping[str, Any]
    ) -> None:
        self._folder, self._last, self._best, self._facts = folder, last, best, facts
        # A variable of Keras 3 holds one of TensorFlow.
        plain = [variable if isinstance(variable, tf.Variable) else variable.value for variable in variables]
        self._checkpoint = tf.train.Checkpoint(**{f"variable_{number}": each for number, each in enumerate(plain)})
        self._all_finite = tf.function(lambda: all_finite(plain), autograph=False)
        self._shapes = [[list(variable.shape), variable.dtype.name] for variable in plain]

    def restore(self, before: int | None = None) -> int:
        """Set all variables to those of the latest checkpoint, or of the latest one before a step. Return its step.

        Without a checkpoint nothing changes, and the step is 0.

        Raises:
            BadInput: the checkpoint belongs to other networks or optimizers, or TensorFlow cannot read it.
        """
        path = next((path for path in intact(self._folder) if before is None or _step(path) < before), None)
        if path and facts(path)["shapes"] != self._shapes:
            raise BadInput(f"{path} does not hold the state of this run: it has other variables")
        if path:
            self._read(path)
        step = _step(path) if path else 0
        for later in _latest_first(self._folder) if before is None else ():
            if _step(later) > step or not path:
                shutil.rmtree(later, ignore_errors=True)  # it is damaged, and will be written again
        return step

    def _read(self, path: Path) -> None:
        """Read a checkpoint through a link: TensorFlow takes a path that it reads for a pattern, of `[` and `\\`."""
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / "checkpoint"
            link.symlink_to(path.absolute(), target_is_directory=True)
            try:
                self._checkpoint.read(str(link / _STATE)).assert_consumed()
            except (tf.errors.OpError, AssertionError, LookupError, ValueError) as error:  # somebody else made the file
                raise BadInput(f"{path} cannot be read: {one_line(error, 300)}") from error

    def has(self, *, before: int) -> bool:
        """Return whether there is a checkpoint of a step before this one."""
        return any(_step(path) < before for path in intact(self._folder))

    def is_finite(self) -> bool:
        """Return whether no variable is NaN or infinite."""
        return bool(self._all_finite())

    def save(self, step: int) -> None:
        """Write a checkpoint, and delete those that are not kept any more. If that is impossible, log a warning."""
        path = self._folder / f"step-{step:010}"
        if path.exists():
            return
        try:
            try:
                self._write(path)
            except (OSError, tf.errors.OpError):  # the disk may be full: older checkpoints make room
                self._prune(last=1)
                self._write(path)
        except (OSError, tf.errors.OpError) as error:
            _log.warning("warning: no checkpoint could be written at step %d: %s", step, one_line(error, 300))
        else:
            self._prune(self._last)

    def _write(self, path: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".") as unfinished:
            folder = Path(unfinished) / path.name
            folder.mkdir()
            self._checkpoint.write(str(folder / _STATE))
            (folder / _FACTS).write_text(json.dumps({**self._facts, "shapes": self._shapes}))
            checksums.write(folder)
            folder.replace(path)

    def is_best(self, step: int, metrics: Metrics) -> bool:
        """Return whether these metrics of a step are the best so far, and keep the step's checkpoint if they are."""
        if self._best is None or self._best not in metrics:
            return False
        value, file = metrics[self._best], self._folder / _BEST
        known = _best(file) if _best(file).get("metric") == self._best else {}
        if known.get("step") == step:  # an evaluation that is made again: what followed it may have been lost
            return True
        if math.isnan(value) or (known and not ranking.is_better(self._best, value, known["value"])):
            return False
        cache.write(file, json.dumps({"metric": self._best, "value": value, "step": step}).encode())
        self._prune(self._last)
        return True

    def _prune(self, last: int) -> None:
        best = _best(self._folder / _BEST).get("step")
        for path in list(_latest_first(self._folder))[last:]:
            if _step(path) != best:
                shutil.rmtree(path, ignore_errors=True)


def facts(path: Path) -> Mapping[str, Any]:
    """Return what a checkpoint says beside its variables. Raises BadInput if that is nothing that `save` wrote."""
    try:
        found = json.loads((path / _FACTS).read_text())
    except ValueError as error:
        raise BadInput(f"{path / _FACTS} cannot be read: {one_line(error)}") from error
    if not isinstance(found, dict) or "shapes" not in found:
        raise BadInput(f"{path / _FACTS} does not say which variables it has")
    return found


def latest_facts(folder: Path) -> Mapping[str, Any]:
    """Return the facts of the latest checkpoint in `folder`; none if there is no checkpoint."""
    path = next(intact(folder), None)
    return facts(path) if path else {}


def intact(folder: Path) -> Iterator[Path]:
    """Yield the checkpoints whose checksums are right, the latest first. Log a warning for each of the others."""
    for path in _latest_first(folder):
        if problem := checksums.problem(path):
            _log.warning("%s is damaged and is not used: %s", path, problem)
        else:
            yield path


def _best(file: Path) -> Mapping[str, Any]:
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _latest_first(folder: Path) -> Iterator[Path]:
    yield from sorted((path for path in folder.glob("step-*") if path.name[5:].isdigit()), reverse=True)


def _step(path: Path) -> int:
    return int(path.name[5:])
