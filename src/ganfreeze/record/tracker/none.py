"""Record nothing."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ganfreeze.record.tracker.base import Recorder, Tracker


@dataclass(frozen=True)
class NoTracker(Tracker):
    """A tracker that writes nothing."""

    def recorder(self, folder: Path) -> Recorder:
        return _NoRecorder()

    def amend(self, run: str, evaluated: Any) -> None:
        pass

    def close_search(self, sweep: str, findings: Any, conclusion: str) -> str:
        return ""

    def close_sweep(self, sweep: str) -> str:
        return ""


class _NoRecorder(Recorder):
    def __enter__(self) -> Self:
        return self

    def write(self, event: Any) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
