"""The base class of the options of `tracker`, and of everything that events are written to."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Recorder(ABC):
    """Something that the events of a run are written to, such as the terminal.

    It is a context manager. Its exit ends the run: as finished, or as failed or interrupted if an exception passes.
    """

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def write(self, event: Any) -> None:
        """Record one of `ganfreeze.events`, or ignore it."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Tracker(ABC):
    """A place where runs are kept: the base class of every file in `tracker/`."""

    @abstractmethod
    def recorder(self, folder: Path) -> Recorder:
        """Return what records a run, for which it may use this folder of the run.

        If the folder holds records of the run already, the run goes on: nothing is recorded twice.
        """

    @abstractmethod
    def amend(self, run: str, evaluated: Any) -> None:
        """Add `events.Evaluated` to a finished run, and change nothing that the run holds already."""

    @abstractmethod
    def close_search(self, sweep: str, findings: Any, conclusion: str) -> str:
        """Record a search: `record.study.Findings` and text on them. Return a line on where, "" if it is nowhere."""

    @abstractmethod
    def close_sweep(self, sweep: str) -> str:
        """Link the runs of a finished sweep to each other. Return a table of them as text, "" if it has none."""
