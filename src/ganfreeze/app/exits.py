"""How a program ends: with a sentence, not a traceback, where the user made a mistake or interrupted it."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganfreeze.errors import BadInput, interruption

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def friendly_errors(name: str = "") -> Iterator[None]:
    """Turn a BadInput, an OSError or an interruption into one sentence on stderr and an exit status.

    The status is 1; after an interruption it is 130 for Ctrl-C and 143 for SIGTERM, as shells have it.
    """
    catch_signals()
    try:
        yield
    except (BadInput, OSError) as error:
        raise SystemExit(f"ganfreeze: {error}") from None
    except (KeyboardInterrupt, SystemError) as error:
        if not (cause := interruption(error)):
            raise
        raise interrupted(cause, ": ".join(filter(None, ("ganfreeze", name, "interrupted")))) from None


def catch_signals() -> None:
    """Let Ctrl-C and SIGTERM raise a KeyboardInterrupt that holds the signal's number.

    The handlers stay in place, but only the first signal counts: the process is about to end, and a second one must not
    disturb that.
    """

    def interrupt(number: int, _: Any) -> None:
        ignore_signals()
        raise KeyboardInterrupt(number)

    for number in _SIGNALS:
        signal.signal(number, interrupt)


def ignore_signals() -> None:
    """Let Ctrl-C and SIGTERM do nothing."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def interrupted(cause: KeyboardInterrupt, sentence: str) -> SystemExit:
    """Say a sentence on stderr, and return the exit with the status of this interruption."""
    print(sentence, file=sys.stderr, flush=True)
    return SystemExit(128 + (cause.args[0] if cause.args else signal.SIGINT))
