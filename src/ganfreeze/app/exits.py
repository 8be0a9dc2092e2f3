"""How a program ends: with a sentence, not a traceback, where the user made a mistake or interrupted it."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ganfreeze import signals
from ganfreeze.commands import as_typed
from ganfreeze.errors import BadInput, Diverged, interruption


@contextmanager
def friendly_errors(name: str = "") -> Iterator[None]:
    """Turn a BadInput, a Diverged, an OSError or an interruption into one sentence on stderr and an exit status.

    The status is 1; after an interruption it is 130 for Ctrl-C and 143 for SIGTERM, as shells have it.
    """
    signals.catch()
    try:
        yield
    except (BadInput, Diverged, OSError) as error:
        raise SystemExit(f"ganfreeze: {as_typed(str(error))}") from None
    except (KeyboardInterrupt, SystemError) as error:
        if not (cause := interruption(error)):
            raise
        raise interrupted(cause, ": ".join(filter(None, ("ganfreeze", name, "interrupted")))) from None


def interrupted(cause: KeyboardInterrupt, sentence: str) -> SystemExit:
    """Say a sentence on stderr, and return the exit with the status of this interruption."""
    print(sentence, file=sys.stderr, flush=True)
    return SystemExit(128 + (cause.args[0] if cause.args else signal.SIGINT))
