"""How a program ends: with a sentence, not a traceback, where the user made a mistake or interrupted it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganfreeze.errors import BadInput, is_interruption

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def friendly_errors(name: str = "") -> Iterator[None]:
    """Turn a BadInput, an OSError or an interruption into one sentence on stderr and the exit status 1.

    Ctrl-C and SIGTERM interrupt. The signal handlers stay in place: the process is about to end, and a second signal
    must not disturb that.
    """

    def interrupt(_signal_number: int, _: Any) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in _SIGNALS:
        signal.signal(number, interrupt)
    try:
        yield
    except (BadInput, OSError) as error:
        raise SystemExit(f"ganfreeze: {error}") from None
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interruption(error):
            raise
        raise SystemExit(": ".join(filter(None, ("ganfreeze", name, "interrupted")))) from None
