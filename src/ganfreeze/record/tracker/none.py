"""Record nothing."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from ganfreeze.record.tracker.base import Tracker


@dataclass(frozen=True)
class NoTracker(Tracker):
    """A tracker that writes nothing."""

    def __enter__(self) -> Self:
        return self

    def write(self, event: Any) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def amend(self, run: str, evaluated: Any) -> None:
        pass

    def close_sweep(self, sweep: str) -> str:
        return ""
