"""Show a run on the terminal: what it does before it trains, a progress bar while it trains, and a line at its end."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from rich.console import Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.spinner import Spinner
from rich.table import Column
from rich.text import Text

from ganfreeze import events
from ganfreeze.evaluation import protocol_card
from ganfreeze.record import live
from ganfreeze.record.report import formats
from ganfreeze.record.tracker.base import Recorder

# The metrics beside the bar, and how each is shown. D is the discriminator, G the generator.
_RATE = "steps_per_second"
_LOSSES = {"discriminator_loss": "D {:.3f}", "generator_loss": "G {:.3f}"}
_WIDE = 72  # characters, from which on the losses have room
_LONG = 10.0  # seconds that a stage takes before a log has a line on it
_MINUTE = 60.0


class Terminal(Recorder):
    """Live lines on standard error, and lines on standard output that stay.

    The live lines are the run's name, what it does, and `below`. Of several runs in one process only one has them. If
    standard error is no terminal, it gets a line on a stage that takes long, and at most ten on the steps, a minute or
    more apart.
    """

    def __init__(
        self, name: str, below: Callable[[], RenderableType] | None = None, *, has_live_lines: bool = True
    ) -> None:
        self._name, self._below, self._steps, self._has_live_lines = name, below, 0, has_live_lines
        self._metrics: dict[str, float] = {}  # the last value of each
        self._violations: list[str] = []
        self._console = live.error_console()
        self._spinner: Spinner | None = None  # while a stage goes on
        self._long = threading.Timer(_LONG, lambda: None)
        self._logged = 0, time.monotonic()  # the tenths of the steps, and when
        self._bar = Progress(
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[state]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=self._console,
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, state="")
        self._shown = ExitStack()

    def __enter__(self) -> Self:
        if self._has_live_lines:
            self._shown.enter_context(live.shown(self._console, self._lines))
        return self

    def write(self, event: Any) -> None:
        match event:
            case events.Entered(stage):
                self._enter(stage)
            case events.Started(step, steps):
                if step:
                    self._print(f"{self._name}: goes on at step {step} of {steps}")
                self._steps = steps
                self._bar.update(self._task, completed=step, total=steps)
                self._enter("taking the first steps")
            case events.Chosen(parameters, why):
                choice = " ".join(f"{key}={str(value).lower()}" for key, value in parameters.items())
                self._print(f"{self._name}: {choice}; {why}")
            case events.Audited(_, ledger, _):
                self._violations = ledger["violations"]
            case events.Measured(step, metrics):
                self._metrics |= metrics
                if _RATE in metrics:
                    self._advance(step)
            case events.Noticed(_, tags):
                for tag, text in tags.items():
                    self._print(f"{self._name}: {tag}: {text}")
            case events.Ended(step):
                self._close()
                self._print(self._closing_line(step))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _enter(self, stage: str) -> None:
        self._long.cancel()
        self._spinner = Spinner("dots", stage)
        if not self._console.is_interactive:
            self._long = threading.Timer(_LONG, self._log, [stage])
            self._long.daemon = True
            self._long.start()

    def _advance(self, step: int) -> None:
        self._long.cancel()
        self._spinner = None
        rate = self._metrics[_RATE]
        losses = [form.format(self._metrics[key]) for key, form in _LOSSES.items() if key in self._metrics]
        state = [f"{step}/{self._steps}", f"{_rate(rate)} steps/s", *(losses if self._console.width >= _WIDE else [])]
        self._bar.update(self._task, completed=step, state="  ".join(state))
        tenths, now = 10 * step // self._steps, time.monotonic()
        if not self._console.is_interactive and tenths > self._logged[0] and now - self._logged[1] >= _MINUTE:
            self._logged = tenths, now
            left = formats.duration((self._steps - step) / rate)
            self._log(f"step {step} of {self._steps}, {_rate(rate)} steps/s, about {left} left")

    def _lines(self) -> RenderableType:
        name = Text(self._name, no_wrap=True, overflow="ellipsis")
        return Group(name, self._spinner or self._bar, *([self._below()] if self._below else []))

    def _close(self) -> None:
        self._long.cancel()
        self._shown.close()

    def _closing_line(self, step: int) -> str:
        last = {key: value for key, value in self._metrics.items() if _closes(key)}
        metrics = "  ".join(f"{key} {value:.4g}" for key, value in last.items())
        audit = f"  audit: {'; '.join(self._violations)}" if self._violations else ""
        return f"{self._name}: {step} steps  {metrics}{audit}"

    def _print(self, line: str) -> None:
        print(line, flush=True)

    def _log(self, what: str) -> None:
        print(f"{self._name}: {what}", file=sys.stderr, flush=True)


def _closes(metric: str) -> bool:
    """Return whether the closing line shows a metric: those of evaluations, and the rate."""
    return metric == _RATE or ("/" in metric and not protocol_card.is_glance(metric))


def _rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else formats.number(rate)
