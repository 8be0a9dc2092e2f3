"""What a file in `tracker/` holds."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self


class Recorder(ABC):
    """Something that events are written to. A context manager: leaving it ends the run as finished, failed or
    interrupted, by the exception that is passing."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def write(self, event: Any) -> None:
        """Take one of `ganfreeze.events`."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Tracker(Recorder):
    """What a file in `tracker/` holds: a place where runs are kept."""

    @abstractmethod
    def amend(self, run: str, evaluated: Any) -> None:
        """Add `events.Evaluated` to a run that is over, and change nothing that it holds."""

    @abstractmethod
    def close_sweep(self, sweep: str) -> str:
        """Link the runs of a sweep that is over to each other, and return a table of them to show."""
