"""Write docs/reference.md from the docstrings, the annotations and conf/: python docs/reference.py"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ganfreeze.app import reference
from ganfreeze.app.help import help_text
from ganfreeze.app.program_settings import PROGRAMS, taken_keys
from ganfreeze.app.purposes import purpose
from ganfreeze.app.reference import Group, Option

_PAGE = Path(__file__).with_suffix(".md")
_SHOWN = "schedule"


def page() -> str:
    """Return the page: every group with its words and options, every setting, and every program."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield f"# Reference\n\n```sh\npython src/train.py --help {_SHOWN}\n```\n"
    yield f"```\n{help_text('train', [_SHOWN], width=120)}\n```\n"
    yield "Everything that can be set, with its range and its default. `--help` prints the same of one program."
    yield "`architecture=dcgan` chooses a word of a group, `architecture.filters=32` sets an option of the word."
    yield "`python docs/reference.py` writes this page from docstrings and `conf/`. See also [options](options.md).\n"
    for name in taken_keys("train").groups:
        yield from _of_group(reference.group(name))
    yield "## Settings of training\n"
    yield from _table(reference.settings("train"))
    yield "## The other programs\n"
    for program in PROGRAMS:
        if program != "train":
            yield from _of_program(program)


def _of_group(group: Group) -> Iterator[str]:
    yield f"## `{group.name}`\n\n{group.line} Default: `{group.default}`.\n\n| word | what it is |\n|---|---|"
    for word, line in group.words.items():
        yield f"| `{word}` | {_cell(line)} |"
    yield ""
    if group.options:
        yield from _table(group.options)


def _of_program(program: str) -> Iterator[str]:
    what, _, command = purpose(program).partition(": ")
    takes, own = PROGRAMS[program].takes, PROGRAMS[program].model_fields
    some = "what `src/train.py` takes" if "strategy" in takes else ", ".join(f"`{key}`" for key in takes)
    yield f"### `src/{program}.py`\n\n{what}: `{command}`.{f' Beside its settings it takes {some}.' if some else ''}\n"
    yield from _table([option for option in reference.settings(program) if option.key in own])


def _table(options: Sequence[Option]) -> Iterator[str]:
    yield "| option | values | default | what it is |\n|---|---|---|---|"
    for option in options:
        words = f" (of {', '.join(option.words)})" if option.words else ""
        default = _cell(option.default) if option.default else "must be set"
        yield f"| `{option.key}`{words} | {_cell(option.allowed)} | {default} | {_cell(option.line)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")


if __name__ == "__main__":
    _PAGE.write_text(page())
