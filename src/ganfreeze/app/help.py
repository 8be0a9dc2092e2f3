"""The text of `--help`: what a program takes."""

from collections.abc import Iterator, Sequence
from textwrap import fill

from ganfreeze.app import reference
from ganfreeze.app.program_settings import PROGRAMS, taken_keys
from ganfreeze.app.purposes import purpose
from ganfreeze.app.reference import Group, Option
from ganfreeze.app.unknown_keys import require_names
from ganfreeze.commands import as_typed

_FLAGS = {
    "-m": "makes a sweep: a key may have several values, as in seed=0,1,2 or seed=range(8).",
    "--cfg job": "prints the composed config, and runs nothing.",
    "--help NAME": "explains one group, or the settings whose keys begin with this name.",
    "--shell-completion install=bash": "prints a script for bash, which lets the tab key complete keys and words.",
    "--hydra-help": "lists the rest of Hydra's flags, and the keys that begin with `hydra`.",
}


def help_text(program: str, topics: Sequence[str] = (), *, width: int) -> str:
    """Return what a program takes, in lines of `width`: groups with words and options, settings, and Hydra's flags.

    If there are `topics`, names of groups or beginnings of settings, it is about these only.

    Raises:
        BadInput: the program has nothing of the name of a topic.
    """
    lines = _of_topics(program, topics) if topics else _of_all(program)
    return "\n".join(_wrapped(text, indent, width) for indent, text in lines)


def _wrapped(text: str, indent: int, width: int) -> str:
    following = " " * (6 if indent else 4)
    return fill(as_typed(text), width, initial_indent=" " * indent, subsequent_indent=following, break_on_hyphens=False)


def _of_topics(program: str, topics: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield lines with their indents."""
    names = [topic.partition("=")[0].partition(".")[0] for topic in topics]
    require_names(program, names)
    for name in taken_keys(program).groups:
        if name in names:
            yield from _of_group(reference.group(name))
    for option in reference.settings(program):
        if option.key.partition(".")[0] in names:
            yield from _of_option(option)


def _of_all(program: str) -> Iterator[tuple[int, str]]:
    yield 0, purpose(program)
    if groups := taken_keys(program).groups:
        yield from ((0, ""), (0, "GROUPS: group=word chooses a word, group.option=value sets an option of it."))
    for name in groups:
        yield from ((0, ""), *_of_group(reference.group(name)))
    yield from ((0, ""), (0, "SETTINGS: key=value."), (0, ""))
    for option in reference.settings(program):
        yield from _of_option(option)
    for key in PROGRAMS[program].takes:
        if "." in key:
            yield 2, f"{key}: as of src/train.py, where the run has this option."
    yield from ((0, ""), (0, "FLAGS"), (0, ""))
    for flag, text in _FLAGS.items():
        yield 2, f"{flag}: {text}"


def _of_group(group: Group) -> Iterator[tuple[int, str]]:
    yield 0, f"{group.name} (default {group.default}): {group.line}"
    for word, line in group.words.items():
        yield 2, f"{word}: {line}"
    for option in group.options:
        yield from _of_option(option)


def _of_option(option: Option) -> Iterator[tuple[int, str]]:
    words = f" (of {', '.join(option.words)})" if option.words else ""
    default = f"default {option.default}" if option.default else "must be set"
    yield 2, f"{option.key}{words}: {option.allowed}; {default}"
    yield 6, option.line
