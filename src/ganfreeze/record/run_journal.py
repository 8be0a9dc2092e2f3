"""The journal of one run: its records are numbered, timed, and written once, also by several processes in turn."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from ganfreeze.record import journal
from ganfreeze.record.journal import Journal, Record

_VALUES_IN_A_RECORD = 100  # a server accepts no more parameters in one call

# What a record has beside its `kind`: each one, and those of a kind.
_ALWAYS = {"n": int, "time": int}
_CONTENT = {
    "begin": {"id": str, "dataset": dict},
    "resume": {},
    "tags": {"values": dict},
    "parameters": {"values": dict},
    "metrics": {"values": dict, "step": int},
    "file": {"path": str, "to": str},
    "model": {"path": str, "name": str, "step": int},
    "end": {"status": str},
}


class RunJournal:
    """The records of the run in `folder`. Each new one is handed to `deliver` too. It may be used by several threads.

    `earlier` are the records of the processes that trained the run before. What they wrote is not written again: a
    metric of a step, a file of a name and a step, a parameter.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        """Number the new records from `after`, or from those that are there."""
        self.folder, self._path = folder, folder / "journal"
        self.earlier = list(records(self._path)) if self._path.exists() else []
        self._known = {identity for record in self.earlier for identity in _identities(record)}
        self._n = max([after, *(record["n"] for record in self.earlier)])
        self._journal, self._lock = Journal(self._path), threading.Lock()
        self._deliver: Callable[[Record], None] | None = None

    def deliver_to(self, deliver: Callable[[Record], None]) -> None:
        """Hand each new record to `deliver`."""
        self._deliver = deliver

    @property
    def problem(self) -> str:
        """How many records could not be written, and why; "" if all were."""
        count = self._journal.unwritten
        return f"{count} records could not be written to {self._path}: {self._journal.problem}" if count else ""

    def add(self, kind: str, **content: Any) -> None:
        """Write a record, unless an earlier process wrote it."""
        record = {"kind": kind, "time": int(time.time() * 1000), **content}
        if self._known.isdisjoint(_identities(record)):
            self._append(record)

    def add_values(self, kind: str, values: Mapping[str, Any], **content: Any) -> None:
        """Write records with those of these values that no earlier process wrote."""
        step = content.get("step")
        new = [(key, value) for key, value in values.items() if (kind, key, step) not in self._known]
        now = int(time.time() * 1000)
        for start in range(0, len(new), _VALUES_IN_A_RECORD):
            values_of_record = dict(new[start : start + _VALUES_IN_A_RECORD])
            self._append({"kind": kind, "time": now, **content, "values": values_of_record})

    def add_text(self, text: str, name: str) -> None:
        """Write a text to a file of the run's folder, and a record of it. Raises OSError."""
        path = self.folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.add_file(path, "")

    def add_file(self, path: Path, to: str, **content: Any) -> None:
        """Write a record of a file in the run's folder, which is to become an artifact in the folder `to`."""
        self.add("file", path=str(path.relative_to(self.folder)), to=to, **content)

    def _append(self, record: dict[str, Any]) -> None:
        with self._lock:
            self._n += 1
            record["n"] = self._n
            self._journal.append(record)
            if self._deliver:
                self._deliver(record)


def records(path: Path) -> Iterator[Record]:
    """Yield the records of a run's journal that are whole. Those that no run writes are left out too."""
    yield from filter(_is_of_a_run, journal.read(path))


def _is_of_a_run(record: Record) -> bool:
    """Return whether a record has all that its kind needs, and names no file outside the run's folder."""
    needed = _CONTENT.get(str(record.get("kind")))
    if needed is None or not all(isinstance(record.get(key), kind) for key, kind in (_ALWAYS | needed).items()):
        return False
    file = PurePath(str(record.get("path", "")))
    return not file.is_absolute() and ".." not in file.parts


def _identities(record: Record) -> Iterator[tuple[str, str, int | None]]:
    """Yield what must not be written a second time. Other tags and files may change, so they may be."""
    kind, step = record["kind"], record.get("step")
    if kind in ("metrics", "parameters"):
        yield from ((kind, key, step) for key in record["values"])
    elif kind == "tags":
        yield from ((kind, key, step) for key in record["values"] if key.startswith("collapse."))
    elif kind == "file" and "name" in record:
        yield kind, record["name"], step
