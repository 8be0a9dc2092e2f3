"""Ctrl-C and SIGTERM: they raise a KeyboardInterrupt, which can be held back while something must not be cut short."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ONE = 1.0  # seconds: Ctrl-C reaches every process of a terminal, and a launcher then ends its jobs by another signal


class Held:
    """Whether a signal came while signals were held back; `number` is the signal's number then, else 0."""

    number = 0
    came = -math.inf  # seconds

    def __bool__(self) -> bool:
        return bool(self.number)


_repeated = 0  # the number of a signal that each `held` block is told of
_holders: list[Held] = []  # one for each `held` block that runs now


def catch() -> None:
    """Let Ctrl-C and SIGTERM raise a KeyboardInterrupt that holds the signal's number.

    The handlers stay in place, but only the first KeyboardInterrupt is raised: the process is about to end, and another
    signal must not disturb that.
    """
    for number in _SIGNALS:
        signal.signal(number, _interrupt)


def ignore() -> None:
    """Let Ctrl-C and SIGTERM do nothing."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def ignored_by_children() -> Iterator[None]:
    """Let the processes that this block starts ignore Ctrl-C until they call `catch`. This one misses it meanwhile."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def repeated(number: int) -> Iterator[None]:
    """Let each `held` block in this block find that a signal came: for the other runs of a process, after the first."""
    global _repeated
    _repeated = number
    try:
        yield
    finally:
        _repeated = 0


@contextmanager
def held() -> Iterator[Held]:
    """Hold the first signal back during this block. The block, or what follows it, looks at the result and ends.

    A second signal is not held back, if it comes a second later or more. Without `catch`, no signal is.
    """
    holder = Held()
    if _repeated:
        holder.number, holder.came = _repeated, time.monotonic()
    _holders.append(holder)
    try:
        yield holder
    finally:
        _holders.remove(holder)


def _interrupt(number: int, _: Any) -> None:
    if _holders:
        holder, now = _holders[-1], time.monotonic()
        if not holder:
            holder.number, holder.came = number, now
        if now - holder.came < _ONE:
            return
    ignore()
    raise KeyboardInterrupt(number)
