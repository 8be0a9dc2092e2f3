"""The command line, before Hydra parses it."""

import re
from collections.abc import Sequence

from ganfreeze.app.parse_config import GROUPS

# Words that were renamed, and the words that mean the same today. Old commands and recorded runs keep working.
RENAMED = {("update", "seed"): "keras_gan", ("tracker", "null"): "none"}


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
