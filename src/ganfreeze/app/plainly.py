"""How a program ends: a user's mistake or interruption with a sentence, not a traceback."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganfreeze.errors import BadInput


@contextmanager
def plainly(name: str = "") -> Iterator[None]:
    """Exit with the message of a BadInput or of the file system, or with word of an interruption, by Ctrl-C or SIGTERM;
    the status is 1."""
    before = {each: signal.signal(each, _interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except (BadInput, OSError) as error:
        raise SystemExit(f"ganfreeze: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(": ".join(filter(None, ("ganfreeze", name, "interrupted")))) from None
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _interrupt(*_: Any) -> None:
    """End in order, on the first Ctrl-C or SIGTERM; further ones must not disturb that."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
