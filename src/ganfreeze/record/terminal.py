"""What the terminal shows of a run: a bar while it goes, a line when it ends."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ganfreeze import events
from ganfreeze.record.tracker.base import Recorder

_MOVING = {"discriminator_loss": "D {:.3f}", "generator_loss": "G {:.3f}", "steps_per_second": " {:.0f} steps/s"}


class Terminal(Recorder):
    """A progress bar with step, losses, steps per second and time left; only the closing line where the output is no
    terminal."""

    def __init__(self, name: str) -> None:
        self._name, self._steps = name, 0
        self._last: dict[str, float] = {}
        self._violations: list[str] = []
        self._console = Console(highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task(self._name, total=None, state="starting")
        return self

    def write(self, event: Any) -> None:
        match event:
            case events.Started(step, steps):
                self._steps = steps
                self._bar.update(self._task, completed=step, total=steps, state=f"{step}/{steps}")
            case events.Chosen(parameters, why):
                found = " ".join(f"{key}={str(value).lower()}" for key, value in parameters.items())
                self._console.print(f"{self._name}: {found}; {why}", soft_wrap=True, markup=False)
            case events.Audited(_, ledger, _):
                self._violations = ledger["violations"]
            case events.Measured(step, values):
                self._last |= values
                shown = " ".join(form.format(self._last[key]) for key, form in _MOVING.items() if key in self._last)
                self._bar.update(self._task, completed=step, state=f"{step}/{self._steps}  {shown}")
            case events.Ended(step):
                closing = {key: value for key, value in self._last.items() if "/" in key or key == "steps_per_second"}
                figures = "  ".join(f"{key} {value:.4g}" for key, value in closing.items())
                self._bar.stop()
                found = f"  audit: {'; '.join(self._violations)}" if self._violations else ""
                self._console.print(f"{self._name}: {step} steps  {figures}{found}", soft_wrap=True, markup=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
