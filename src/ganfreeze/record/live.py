"""Live lines at the bottom of a terminal. They go to standard error; all other output scrolls by above them."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live


def error_console() -> Console:
    """Return standard error. It takes control codes only where it is a terminal, whatever FORCE_COLOR says.

    A notebook keeps what is printed, so it gets plain lines, as a file does.
    """
    terminal = sys.stderr.isatty()
    return Console(stderr=True, soft_wrap=True, highlight=False, force_terminal=terminal, force_jupyter=False)


@contextmanager
def shown(console: Console, lines: Callable[[], RenderableType]) -> Iterator[None]:
    """Show these lines until the block ends, if the console is a terminal on which lines can be drawn again."""
    if not console.is_interactive:
        yield
        return
    plain = sys.stdout, sys.stderr
    live = Live(get_renderable=lines, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
    with live:
        above = dict(zip(map(id, plain), (sys.stdout, sys.stderr), strict=True))
        moved = [
            (handler, handler.setStream(above[id(handler.stream)]))
            for handler in logging.getLogger().handlers  # these keep the streams that they began with
            if isinstance(handler, logging.StreamHandler) and id(handler.stream) in above
        ]
        try:
            yield
        finally:
            for handler, stream in moved:
                if stream:
                    handler.setStream(stream)
