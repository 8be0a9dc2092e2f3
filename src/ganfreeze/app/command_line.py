"""The command line, before Hydra parses it."""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException

from ganfreeze.app.completion import completions
from ganfreeze.app.help import help_text
from ganfreeze.app.program_settings import PROGRAMS
from ganfreeze.app.unknown_keys import require_known
from ganfreeze.commands import as_typed
from ganfreeze.errors import BadInput
from ganfreeze.record import store_address
from ganfreeze.types import GROUPS

# Words that were renamed, and the words that mean the same today. Old commands and recorded runs keep working.
RENAMED = {("update", "seed"): "keras_gan", ("tracker", "null"): "none"}


def checked(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a program as Hydra takes them, if the program has these keys and words.

    With `--help`, print what the program takes instead. Hydra writes the arguments to a file before it calls the
    program, so this comes before: an address among them may hold a password.

    Raises:
        SystemExit: with a sentence, or after the help.
    """
    # The flag comes first: between keys, Hydra would not take those that follow it.
    words = sorted(current_words(arguments[1:]), key=lambda word: word not in ("-m", "--multirun"))
    program, current = Path(arguments[0]).stem, [arguments[0], *words]
    try:
        if {"--help", "-h"} & set(current):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for --help | head
            topics = [argument for argument in current[1:] if not argument.startswith("-")]
            print(help_text(program, topics, width=shutil.get_terminal_size().columns))
            raise SystemExit
        _require_no_secret(current)
        flags, others = get_args_parser().parse_known_args(current[1:])
        if others:
            raise BadInput(f"{others[0].partition('=')[0]}: no such flag; a key has no dashes, as in seed=1")
        if flags.shell_completion:
            _complete(program, flags.overrides)
        elif not (flags.hydra_help or flags.config_dir or flags.config_path or flags.config_name):
            with suppress(HydraException):  # a config that cannot be composed: Hydra says why
                require_known(program, flags.overrides, sweep=flags.multirun)
    except BadInput as error:
        raise SystemExit(f"ganfreeze: {as_typed(str(error))}") from None
    return with_free_keys(program, current)


def with_free_keys(program: str, arguments: Sequence[str]) -> list[str]:
    """Return arguments in which Hydra accepts the options of a word that only the recorded run has."""
    free = tuple(f"{key}=" for key in PROGRAMS[program].takes if "." in key)
    return [f"++{argument}" if argument.startswith(free) else argument for argument in arguments]


def _complete(program: str, overrides: Sequence[str]) -> None:
    """Print what the word before the cursor of the shell may become, and end. Hydra answers for its own keys."""
    _, _, typed = os.environ.get("COMP_LINE", "").replace(".py ", " ", 1).partition(f"{program} ")
    if {"query=bash", "query=fish"} & set(overrides) and not typed.rpartition(" ")[2].startswith("hydra"):
        print(*completions(program, typed), sep="\n")
        raise SystemExit


def _require_no_secret(arguments: Sequence[str]) -> None:
    pairs = [argument.lstrip("+~").partition("=") for argument in arguments]
    for key, _, value in pairs:
        if key in ("tracker.uri", "uri") or (key in ("tracker", "paths.mlruns", "mlruns") and "://" in value):
            store_address.require_no_secret(value)


def require_writable_folder(arguments: Sequence[str]) -> None:
    """End the program with a sentence if Hydra is to write to the working folder, and cannot."""
    if "${" in str(Path.cwd()):
        raise SystemExit(f"ganfreeze: the working folder {Path.cwd()} has ${{ in its name, which Hydra would replace")
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
    key, equals, value = argument.partition("=")
    if argument == "--tex":
        return "tex=true"
    if not equals:
        return argument
    match key:
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
