"""The command line, before Hydra parses it."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ganfreeze.app.parse_config import GROUPS
from ganfreeze.errors import BadInput
from ganfreeze.record import mlflow_client

# Words that were renamed, and the words that mean the same today. Old commands and recorded runs keep working.
RENAMED = {("update", "seed"): "keras_gan", ("tracker", "null"): "none"}


def checked(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a program with `current_words`, after two checks that Hydra would make too late.

    Hydra writes the arguments to a file before it calls the program, so an address with a password ends it here. So
    does a working folder that cannot be written, if Hydra is to write there.

    Raises:
        SystemExit: with a sentence.
    """
    addresses = [
        value for key, _, value in (each.partition("=") for each in arguments) if key in ("tracker.uri", "uri")
    ]
    try:
        for address in addresses:
            mlflow_client.require_no_secret(address)
    except BadInput as error:
        raise SystemExit(f"ganfreeze: {error}") from None
    if not any(argument.startswith(("hydra.", "--")) for argument in arguments):
        try:
            with tempfile.TemporaryDirectory(dir="."):
                pass
        except OSError as error:
            raise SystemExit(f"ganfreeze: the working folder {Path.cwd()} cannot be written ({error})") from None
    return current_words(arguments)


def current_words(arguments: Sequence[str]) -> list[str]:
    """Replace renamed words, one or several with commas, and quote those that Hydra would parse as null or a number.

    Unquoted, `loss=5` is a number to Hydra, and its error message does not name the losses that there are.
    """
    return [_current(argument) for argument in arguments]


def _current(argument: str) -> str:
    group, equals, words = argument.partition("=")
    if not equals or group not in GROUPS:
        return argument
    return f"{group}={','.join(_word(group, word) for word in words.split(','))}"


def _word(group: str, word: str) -> str:
    word = RENAMED.get((group, word.strip("'\"")), word)
    return f"'{word}'" if re.fullmatch(r"null|\d+", word) else word
