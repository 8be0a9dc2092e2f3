"""Show a run on the terminal: a progress bar while it trains, and a line when it ends."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ganfreeze import events
from ganfreeze.evaluation import protocol_card
from ganfreeze.record.tracker.base import Recorder

# The metrics beside the bar, and how each is shown. D is the discriminator, G the generator.
_BAR_METRICS = {"discriminator_loss": "D {:.3f}", "generator_loss": "G {:.3f}", "steps_per_second": " {:.0f} steps/s"}


class Terminal(Recorder):
    """A progress bar with the step, losses, steps per second and time left, and a closing line.

    If the output is not a terminal, there is no bar.
    """

    def __init__(self, name: str) -> None:
        self._name, self._steps = name, 0
        self._metrics: dict[str, float] = {}  # the last value of each
        self._violations: list[str] = []
        self._console = Console(highlight=False)
        if self._console.is_jupyter:  # a notebook keeps what is printed: lines, as in a file
            self._console = Console(highlight=False, force_jupyter=False, force_terminal=False)
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
                if step:
                    self._print(f"{self._name}: goes on at step {step} of {steps}")
                self._steps = steps
                self._bar.update(self._task, completed=step, total=steps, state=f"{step}/{steps}")
            case events.Chosen(parameters, why):
                choice = " ".join(f"{key}={str(value).lower()}" for key, value in parameters.items())
                self._print(f"{self._name}: {choice}; {why}")
            case events.Audited(_, ledger, _):
                self._violations = ledger["violations"]
            case events.Measured(step, metrics):
                self._metrics |= metrics
                self._bar.update(self._task, completed=step, state=f"{step}/{self._steps}  {self._bar_metrics()}")
            case events.Noticed(_, tags):
                for tag, text in tags.items():
                    self._print(f"{self._name}: {tag}: {text}")
            case events.Ended(step):
                self._bar.stop()
                self._print(self._closing_line(step))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def _bar_metrics(self) -> str:
        return " ".join(form.format(self._metrics[key]) for key, form in _BAR_METRICS.items() if key in self._metrics)

    def _closing_line(self, step: int) -> str:
        last = {key: value for key, value in self._metrics.items() if _closes(key)}
        metrics = "  ".join(f"{key} {value:.4g}" for key, value in last.items())
        audit = f"  audit: {'; '.join(self._violations)}" if self._violations else ""
        return f"{self._name}: {step} steps  {metrics}{audit}"

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, markup=False)


def _closes(metric: str) -> bool:
    """Return whether the closing line shows a metric: those of evaluations, and the rate."""
    return metric == "steps_per_second" or ("/" in metric and not protocol_card.is_glance(metric))
