"""Say how a sweep stands: a live line in a terminal, and now and then a line in a log."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.text import Text

from ganfreeze.record import live, sweep_ledger
from ganfreeze.record.report import sweep_list
from ganfreeze.record.report.sweep_list import Standing
from ganfreeze.record.sweep_ledger import Job

_SECONDS = 5.0  # for so long, what was read of a sweep counts as new
_MINUTE = 60.0

Read = Callable[[], Standing]


def reader(state: Path, jobs: Sequence[Job], at_a_time: int) -> Read:
    """Return a function that reads how these jobs stand, but not again within a few seconds."""
    standing, read = Standing(0, len(jobs), 0, None), -_SECONDS

    def current() -> Standing:
        nonlocal standing, read
        if time.monotonic() - read >= _SECONDS:
            standing = sweep_list.standing(sweep_ledger.progress_of(state, jobs), at_a_time)
            read = time.monotonic()
        return standing

    return current


def line_of(state: Path, sweep: str) -> Callable[[], Text] | None:
    """Return what shows the line of a sweep of one run at a time; None if no sweep with a ledger has this name."""
    ledger = sweep_ledger.named(state, sweep) if sweep else None
    return partial(_line, reader(state, ledger.jobs, 1)) if ledger else None


def _line(read: Read) -> Text:
    return Text(f"sweep: {read().sentence()}", no_wrap=True, overflow="ellipsis")


@contextmanager
def shown(read: Read, *, runs_show_it: bool) -> Iterator[None]:
    """Show how a sweep stands until the block ends, on standard error.

    A terminal has one live line, unless the runs have the terminal and `runs_show_it`. A log gets a line if a run has
    ended or the time left has become known, and never two in a minute.
    """
    console = live.error_console()
    if console.is_interactive:
        try:
            if runs_show_it:
                yield
            else:
                with live.shown(console, partial(_line, read)):
                    yield
        finally:
            console.show_cursor()  # a run that was killed has left it hidden
        return
    over = threading.Event()
    logger = threading.Thread(target=_log, args=(read, over), daemon=True)
    logger.start()
    try:
        yield
    finally:
        over.set()
        logger.join()


def _log(read: Read, over: threading.Event) -> None:
    said = read().news()
    while not over.wait(_MINUTE):
        standing = read()
        if standing.news() != said:
            print(f"ganfreeze: {standing.sentence()}", file=sys.stderr, flush=True)
            said = standing.news()
