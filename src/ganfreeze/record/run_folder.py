"""The folder of a run: its identity, how far it is, how it ended, and everything that a later start needs to go on."""

import fcntl
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Literal, NamedTuple, Self
from uuid import uuid4

from filelock import FileLock, Timeout

from ganfreeze import events
from ganfreeze.errors import BadInput, Diverged, interruption, one_line
from ganfreeze.evaluation.cache import write
from ganfreeze.evaluation.protocol_card import is_glance
from ganfreeze.proof.ledger import Violation
from ganfreeze.record.tracker.base import Recorder
from ganfreeze.types import Metrics

_log = logging.getLogger(__name__)
_SECONDS = 0.5  # between two notes of the progress
_LENGTHENED = "lengthened-"  # begins the name of a file, before a key

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Progress(NamedTuple):
    """How far a run is: `step` of `steps`, after `seconds` of all its processes together; `why` it failed, or "".

    `setup` is the part of the seconds that they took before they trained. `at_once` is how many runs share them: the
    seeds of `seeds_at_once`.
    `figures` are the latest metrics of its evaluations, such as "classifier/fid".
    """

    status: Status
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    why: str = ""
    hopeless: bool = False  # it would fail again
    setup: float = 0.0
    at_once: int = 1
    figures: Metrics = MappingProxyType({})


class RunFolder(Recorder):
    """The folder of one run, held by one process at a time.

    It holds `run.json` (the name and the identity of the run), `progress.json`, `lock`, and in the folders and files
    `checkpoints`, `weights`, `journal` and `files` what other modules write. The lock ends with the process that holds
    it, so a run that is not ended and not locked was killed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / "lock")
        self._before, self._began, self._noted = 0.0, time.monotonic(), -_SECONDS
        self._progress = Progress("RUNNING")

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def description(self) -> Mapping[str, Any]:
        """What `create` was given, and the `id` that it gave: no other run has it. Empty if the file is damaged."""
        try:
            return dict(json.loads((self.path / "run.json").read_text()))
        except (OSError, ValueError, TypeError):
            return {}

    @property
    def weights(self) -> Path:
        """The folder of the final weights."""
        return self.path / "weights"

    def describe(self, **description: Any) -> None:
        """Replace parts of the description."""
        write(self.path / "run.json", json.dumps({**self.description, **description}).encode())

    def acquire(self) -> bool:
        """Hold the folder until this object's `with` block or process ends; return False if another process does."""
        try:
            self._lock.acquire(timeout=1)  # `is_held` may hold it for a moment
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Let go of the folder."""
        self._lock.release()

    def __enter__(self) -> Self:
        if not self._lock.is_locked and not self.acquire():
            raise BadInput(f"{self.path}: another process trains this run now")
        at_once = self.description.get("identity", {}).get("seeds_at_once", 1)
        self._progress = progress(self.path)._replace(status="RUNNING", why="", hopeless=False, at_once=at_once)
        self._before = self._progress.seconds
        self._note()
        return self

    def write(self, event: Any) -> None:
        match event:
            case events.Started(step, steps):
                setup = self._progress.setup + time.monotonic() - self._began
                self._progress = self._progress._replace(step=step, steps=steps, setup=setup)
                self._note()
            case events.Measured(step, metrics):
                measured = {name: value for name, value in metrics.items() if "/" in name and not is_glance(name)}
                self._progress = self._progress._replace(step=step, figures={**self._progress.figures, **measured})
                if time.monotonic() - self._noted > _SECONDS:
                    self._note()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        hopeless = isinstance(error, Violation | Diverged)
        why = "" if error is None else one_line(f"{type(error).__name__}: {error}", 500)
        self._progress = self._progress._replace(status=status_of(error), why=why, hopeless=hopeless)
        self._note()
        self.release()

    def _note(self) -> None:
        self._noted = time.monotonic()
        self._progress = self._progress._replace(seconds=self._before + self._noted - self._began)
        try:
            write(self.path / "progress.json", json.dumps(self._progress._asdict(), default=dict).encode())
        except OSError as error:
            _log.warning("%s cannot be written: %s", self.path / "progress.json", error)


def create(state: Path, key: str, **description: Any) -> RunFolder:
    """Make the next folder of a run in the folder `state`, called by its `key` and a number, and hold it.

    Raises:
        BadInput: the folder cannot be made.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        number = 1 + max((_number(folder) for folder in folders(state, key)), default=0)
        while not _made(path := state / f"{key}-{number}"):
            number += 1
        folder = RunFolder(path)
        folder.acquire()
        write(path / "run.json", json.dumps({**description, "id": uuid4().hex}).encode())
    except OSError as error:
        raise BadInput(f"paths.state={state}: a folder for the run cannot be made ({error})") from error
    return folder


@contextmanager
def lock(state: Path, key: str) -> Iterator[None]:
    """Let one process at a time find or make a folder with this key. Raises BadInput where that is impossible."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        held = FileLock(state / f".{key}.lock")
        held.acquire()
    except OSError as error:
        raise BadInput(f"paths.state={state}: a folder for the run cannot be made ({error})") from error
    with held:
        yield


def lengthen(path: Path, key: str) -> None:
    """Let a run in a folder be found by another key too: that of the same run with more steps."""
    (path / f"{_LENGTHENED}{key}").touch()


def folders(state: Path, key: str = "*") -> Iterator[Path]:
    """Yield the folders of all runs with this key, the latest first."""
    found = {file.parent for pattern in (f"{key}-*/run.json", f"*/{_LENGTHENED}{key}") for file in state.glob(pattern)}
    yield from sorted(
        (folder for folder in found if folder.name.rpartition("-")[2].isdigit()), key=_number, reverse=True
    )


def progress(path: Path) -> Progress:
    """Return how far the run in this folder is. A run that no process holds, and that has not ended, was killed."""
    try:
        noted = Progress(**json.loads((path / "progress.json").read_text()))
    except (OSError, ValueError, TypeError):
        noted = Progress("RUNNING")
    if noted.status == "RUNNING" and not is_held(path):
        return noted._replace(status="KILLED")
    return noted


def id_of(path: Path) -> str:
    """Return the id of the run in this folder, which no other run has; "" if there is no run."""
    return RunFolder(path).description.get("id", "")


def is_held(path: Path) -> bool:
    """Return whether a process holds this folder now. Several processes may ask at once."""
    try:
        with (path / "lock").open("a+") as file:  # a shared lock on NFS needs a file that can be read
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def status_of(error: BaseException | None) -> Status:
    """Return the status of a run that ended with this exception, or with none."""
    return "FINISHED" if error is None else "KILLED" if interruption(error) else "FAILED"


def _made(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def _number(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])
