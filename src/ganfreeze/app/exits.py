"""How a program ends: a user's mistake or interruption with a sentence, not a traceback."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganfreeze.errors import BadInput


@contextmanager
def friendly_errors(name: str = "") -> Iterator[None]:
    """Exit with the message of a BadInput or of the file system, or with word of an interruption, by Ctrl-C or SIGTERM;
    the status is 1. The handlers stay: the process is about to end, and a second signal is not to disturb that."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    try:
        yield
    except (BadInput, OSError) as error:
        raise SystemExit(f"ganfreeze: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(": ".join(filter(None, ("ganfreeze", name, "interrupted")))) from None


def _interrupt(*_: Any) -> None:
    """End in order, on the first Ctrl-C or SIGTERM; further ones must not disturb that."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
