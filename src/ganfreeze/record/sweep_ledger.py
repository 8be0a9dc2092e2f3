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


def begin(state: Path, digest: str, command: str, *, anew: bool) -> str:
    """Return the name of the sweep with this digest of its jobs. Write the ledger of a new one, if there is none.

    Raises:
        BadInput: the ledger cannot be written.
    """
    with run_folder.lock(state, "sweeps"):
        known = [ledger.name for ledger in ledgers(state) if ledger.name.endswith(f"_{digest}")]
        if known and not anew:
            return known[-1]
        now = time.time()
        name = f"{datetime.fromtimestamp(now):%Y-%m-%d_%H-%M-%S-%f}_{digest}"
        _write(state, Ledger(name, command, now, []))
        return name


def write_jobs(state: Path, name: str, jobs: Sequence[Job]) -> None:
    """Add jobs to the ledger of a sweep. Those that it has already are not added again. Raises BadInput as `begin`."""
    with run_folder.lock(state, "sweeps"):
        ledger = next(ledger for ledger in ledgers(state) if ledger.name == name)
        _write(state, ledger._replace(jobs=list(dict.fromkeys([*ledger.jobs, *jobs]))))


def ledgers(state: Path) -> Iterator[Ledger]:
    """Yield the ledgers of all sweeps, in the order in which they began. Damaged ones are left out."""
    for file in sorted((state / "sweeps").glob("*.json")):
        try:
            yield _read(file)
        except (OSError, ValueError, TypeError, KeyError):
            continue


def named(state: Path, name: str) -> Ledger | None:
    """Return the ledger of the sweep with this name; None if there is none, or a damaged one."""
    return next((ledger for ledger in ledgers(state) if ledger.name == name), None)


def progress_of(state: Path, jobs: Sequence[Job]) -> list[Progress | None]:
    """Return how far each job is, as `progress` does, but look through the folders once only."""
    latest: dict[str, Path] = {}
    for path in run_folder.folders(state):
        latest.setdefault(path.name.rpartition("-")[0], path)
    return [run_folder.progress(latest[job.key]) if job.key in latest else None for job in jobs]


def progress(state: Path, key: str) -> Progress | None:
    """Return how far a job is, by the key of its folder; None if it was not started yet."""
    path = next(run_folder.folders(state, key), None)
    return run_folder.progress(path) if path else None


def _read(file: Path) -> Ledger:
    values: dict[str, Any] = json.loads(file.read_text())
    return Ledger(**{**values, "jobs": [Job(*job) for job in values["jobs"]]})


def _write(state: Path, ledger: Ledger) -> None:
    try:
        (state / "sweeps").mkdir(exist_ok=True)
        write(state / "sweeps" / f"{ledger.name}.json", json.dumps(ledger._asdict()).encode())
    except OSError as error:
        raise BadInput(f"paths.state={state}: the ledger of the sweep cannot be written ({error})") from error
