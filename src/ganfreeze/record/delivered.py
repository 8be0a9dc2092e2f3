"""Which store the journal in a run's folder is for, and how far it was delivered: two files in the folder."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ganfreeze.evaluation.cache import write
from ganfreeze.record import run_folder


class Target(NamedTuple):
    """An MLflow store, and the experiment in it: `store` is the folder of a SQLite store, as the user wrote it."""

    uri: str
    experiment: str
    store: str


class Delivered(NamedTuple):
    """How far a journal was delivered: the id of the MLflow run, "" if there is none yet, and the last record."""

    run: str = ""
    n: int = 0


def note_target(folder: Path, target: Target) -> None:
    """Write to the folder of a run which store its journal is to be delivered to. Raises OSError."""
    write(folder / "target.json", json.dumps(target).encode())


def target(folder: Path) -> Target:
    """Return which store the journal in a folder is to be delivered to. Raises OSError or ValueError."""
    return Target(*json.loads((folder / "target.json").read_text()))


def read(folder: Path, uri: str) -> Delivered:
    """Return how far the journal in `folder` was delivered to a store."""
    return Delivered(*_all(folder).get(uri, ()))


def folder_of(state: Path, run: str) -> Path | None:
    """Return the folder of a run, by the folder's name or by the run's id in a store; None if it is not in `state`."""
    return next((path for path in run_folder.folders(state) if run in (path.name, *_run_ids(path))), None)


def _run_ids(folder: Path) -> Sequence[str]:
    return [run for run, _ in _all(folder).values()]


def _all(folder: Path) -> Mapping[str, Any]:
    try:
        noted = dict(json.loads((folder / "delivered.json").read_text()))
        return {uri: [str(run), int(n)] for uri, (run, n) in noted.items()}
    except (OSError, ValueError, TypeError):
        return {}


def note(folder: Path, uri: str, delivered: Delivered) -> None:
    """Write how far the journal in `folder` was delivered. If the disk is full, records will be delivered once more."""
    with contextlib.suppress(OSError):
        write(folder / "delivered.json", json.dumps({**_all(folder), uri: delivered}).encode())
