"""The ledger of a sweep: which runs it consists of. What became of each is read from the run's own folder."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ganfreeze.errors import BadInput
from ganfreeze.evaluation.cache import write
from ganfreeze.record import run_folder
from ganfreeze.record.run_folder import Progress


class Job(NamedTuple):
    """A run of a sweep: its name, and the key of its folder."""

    name: str
    key: str


class Ledger(NamedTuple):
    """A sweep: its name, the command that it was started by, the time when it first was, and its jobs."""

    name: str
    command: str
    begun: float
    jobs: Sequence[Job]


def name(state: Path, digest: str, *, anew: bool) -> str:
    """Return the name of the sweep with this digest of its command: the one that it has already, unless `anew`."""
    known = sorted(path.stem for path in (state / "sweeps").glob(f"*_{digest}.json"))
    return known[-1] if known and not anew else f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}_{digest}"


def write_jobs(state: Path, name: str, command: str, jobs: Sequence[Job]) -> None:
    """Add jobs to the ledger of a sweep. Those that it has already are not added again.

    Raises:
        BadInput: the ledger cannot be written.
    """
    file = state / "sweeps" / f"{name}.json"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        before = _read(file) if file.exists() else Ledger(name, command, time.time(), [])
        merged = list(dict.fromkeys([*before.jobs, *jobs]))
        write(file, json.dumps(before._replace(jobs=merged)._asdict()).encode())
    except OSError as error:
        raise BadInput(f"paths.state={state}: the ledger of the sweep cannot be written ({error})") from error


def ledgers(state: Path) -> Iterator[Ledger]:
    """Yield the ledgers of all sweeps, in the order in which they began. Damaged ones are left out."""
    for file in sorted((state / "sweeps").glob("*.json")):
        try:
            yield _read(file)
        except (OSError, ValueError, TypeError, KeyError):
            continue


def progress(state: Path, key: str) -> Progress | None:
    """Return how far a job is, by the key of its folder; None if it was not started yet."""
    path = next(run_folder.folders(state, key), None)
    return run_folder.progress(path) if path else None


def _read(file: Path) -> Ledger:
    values: dict[str, Any] = json.loads(file.read_text())
    return Ledger(**{**values, "jobs": [Job(*job) for job in values["jobs"]]})
