"""What the tab key offers on a command line: keys that the program takes, words of groups, and values of options.

Hydra installs the script of the shell, and answers for its own keys. For ours it would offer `_target_`, groups that a
program does not take, and no word after a comma.
"""

from collections.abc import Sequence

from ganfreeze.app import reference
from ganfreeze.app.program_settings import taken_keys
from ganfreeze.app.unknown_keys import words_of


def completions(program: str, line: str) -> list[str]:
    """Return what the last word of a command line may become. A line that ends with a space has an empty last word."""
    *before, last = line.split(" ")
    key, equals, value = last.partition("=")
    if equals:
        first = f"{key}={value[: value.rfind(',') + 1]}"
        offered = [first + each for each in _values(program, key)]
    elif "." in key and (group := key.partition(".")[0]) in taken_keys(program).groups:
        offered = [f"{option.key}=" for option in reference.group(group).options if _has(option.words, group, before)]
    else:
        groups, settings = taken_keys(program)
        offered = [f"{each}=" for each in (*groups, *settings)]
    return sorted(each for each in offered if each.startswith(last))


def _values(program: str, key: str) -> Sequence[str]:
    """Return the words of a group, or the values of an option or setting that has a list of them."""
    groups = taken_keys(program).groups
    if key in groups:
        return words_of(key)
    group = key.partition(".")[0]
    options = reference.group(group).options if group in groups else reference.settings(program)
    return next((option.choices for option in options if option.key == key), ())


def _has(words: Sequence[str], group: str, arguments: Sequence[str]) -> bool:
    """Return whether an option of these words, or of all if there are none, belongs to the chosen word of its group."""
    chosen = [argument.removeprefix(f"{group}=") for argument in arguments if argument.startswith(f"{group}=")]
    word = chosen[-1] if chosen else reference.default_word(group)
    return not words or bool(set(words) & set(word.split(",")))
