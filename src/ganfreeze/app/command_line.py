"""The command line, before Hydra parses it."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ganfreeze.errors import BadInput
from ganfreeze.record import mlflow_client
from ganfreeze.types import GROUPS

# Words that were renamed, and the words that mean the same today. Old commands and recorded runs keep working.
RENAMED = {("update", "seed"): "keras_gan", ("tracker", "null"): "none"}


def checked(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a program with `current_words`, if no address among them holds a password.

    Hydra writes the arguments to a file before it calls the program, so this comes before.

    Raises:
        SystemExit: with a sentence.
    """
    pairs = [argument.lstrip("+~").partition("=") for argument in arguments]
    addresses = [value for key, _, value in pairs if key in ("tracker.uri", "uri")]
    try:
        for address in addresses:
            mlflow_client.require_no_secret(address)
    except BadInput as error:
        raise SystemExit(f"ganfreeze: {error}") from None
    return current_words(arguments)


def require_writable_folder(arguments: Sequence[str]) -> None:
    """End the program with a sentence if Hydra is to write to the working folder, and that cannot be written."""
    if any(argument.startswith(("hydra.run.dir=", "hydra.sweep.dir=", "--h", "--c", "--i")) for argument in arguments):
        return
    try:
        with tempfile.TemporaryDirectory(dir="."):
            pass
    except OSError as error:
        raise SystemExit(f"ganfreeze: the working folder {Path.cwd()} cannot be written ({error})") from None


def current_words(arguments: Sequence[str]) -> list[str]:
    """Replace renamed words, one or several with commas, and quote those that Hydra would parse as null or a number.

    Unquoted, `loss=5` is a number to Hydra, and its error message does not name the losses that there are.
    """
    return [_current(argument) for argument in arguments]


def report_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of `src/report.py` as Hydra takes them.

    Hydra knows no `--tex`. It takes commas for a sweep, `experiment=` for the choice of what is trained, and some names
    for numbers.
    """
    return [_report_argument(argument) for argument in arguments]


def _report_argument(argument: str) -> str:
    key, _, value = argument.partition("=")
    match key:
        case "--tex":
            return "tex=true"
        case "experiment":
            return f"published='{value}'"
        case "sweep" | "baseline" | "figure" if not value.startswith(("'", '"')):
            return f"{key}='{value}'"
        case "runs" if not value.startswith("["):
            ids = ",".join(f"'{each}'" for each in value.split(","))
            return f"runs=[{ids}]"
    return argument


def _current(argument: str) -> str:
    group, equals, words = argument.partition("=")
    if not equals or group not in GROUPS:
        return argument
    return f"{group}={','.join(_word(group, word) for word in words.split(','))}"


def _word(group: str, word: str) -> str:
    word = RENAMED.get((group, word.strip("'\"")), word)
    return f"'{word}'" if re.fullmatch(r"null|\d+", word) else word
