"""What can be set, explained: each group with its words, each option and setting with its range and its default.

The lines come from docstrings: the first line of a class explains its word, and a list in it, "- `name`: what it is",
its options. Ranges come from the annotations that values are checked against, and defaults from `conf/`.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from hydra.utils import get_object
from omegaconf import OmegaConf
from pydantic import PydanticUserError, TypeAdapter
from pydantic.fields import FieldInfo

from ganfreeze.app.program_settings import PROGRAMS, taken_keys
from ganfreeze.app.purposes import CONF
from ganfreeze.app.settings import Settings
from ganfreeze.app.unknown_keys import options_of, words_of

_OPTION = re.compile(r"^- (`\w+`(?:, `\w+`)*): (.+(?:\n  .+)*)", re.MULTILINE)  # "- `a`, `b`: what they are"
_VARIABLE = re.compile(r"\$\{oc\.env:(\w+),([^}]*)\}")
_EXPERIMENTS = "Published experiments: each chooses words and settings, and sweeps others."


class Option(NamedTuple):
    """An option or a setting: its dotted key, what is allowed, its default, and what it is.

    `default` names the words whose default is another; it is empty where the user must choose. `words` are those that
    have the option, empty if all have. `choices` are its values, if they are a list of names.
    """

    key: str
    allowed: str
    default: str
    line: str
    words: Sequence[str] = ()
    choices: Sequence[str] = ()


class Group(NamedTuple):
    """A config group: what it is, its default word, its words with their lines, and the options of all words."""

    name: str
    line: str
    default: str
    words: Mapping[str, str]
    options: Sequence[Option]


def group(name: str) -> Group:
    """Return a config group."""
    words, default = words_of(name), default_word(name)
    if name == "experiment":
        comments = {word: (CONF / name / f"{word}.yaml").read_text().splitlines()[1] for word in words}
        return Group(name, _EXPERIMENTS, default, {word: line.lstrip("# ") for word, line in comments.items()}, [])
    parts = {word: get_object(_config(f"{name}/{word}")["_target_"]) for word in words}
    package = import_module(parts[default].__module__.rpartition(".")[0])
    lines = {word: _line(part) for word, part in parts.items()}
    return Group(name, _line(package), default, lines, _options(name, parts, default))


def default_word(group: str) -> str:
    """Return the word that `conf/config.yaml` chooses for a group."""
    entries = [entry for entry in _config("config")["defaults"] if isinstance(entry, Mapping)]
    return next(_shown(entry[group]) for entry in entries if group in entry)


def settings(program: str) -> list[Option]:
    """Return the settings that a program takes, its own first."""
    model, config = PROGRAMS[program], _config("config" if program == "train" else program)
    own = {key for key in taken_keys(program).settings if key.partition(".")[0] in model.model_fields}
    return [
        _setting(model, config, key, key) if key in own else _setting(Settings, _config("config"), key, key)
        for key in taken_keys(program).settings
    ]


def explanations(part: Any) -> dict[str, str]:
    """Return what the docstrings of a class and of its bases say of each option, in one line each."""
    found = {}
    for base in reversed(getattr(part, "__mro__", (part,))):
        for names, text in _OPTION.findall(inspect.cleandoc(base.__doc__ or "")):
            line = " ".join(text.split())
            found |= dict.fromkeys(re.findall(r"\w+", names), line[0].upper() + line[1:])
    return found


@cache
def _config(path: str) -> Mapping[str, Any]:
    """Return the values of a file in conf/, interpolations unresolved."""
    return OmegaConf.to_container(OmegaConf.load(CONF / f"{path}.yaml"))  # pyright: ignore[reportReturnType]


def _setting(model: Any, config: Mapping[str, Any], key: str, rest: str) -> Option:
    name, _, inner = rest.partition(".")
    field = model.model_fields[name]
    if inner:
        return _setting(field.annotation, config[name], key, inner)
    line, choices = explanations(model)[name], _choices(_schema(field))
    return Option(key, _allowed(field), _shown(config[name]), line, choices=choices)


def _line(part: Any) -> str:
    """Return the first line of the docstring of a module or class; for a function, that of its module."""
    described = part if isinstance(part, ModuleType | type) else inspect.getmodule(part)
    return (described.__doc__ or "").partition("\n")[0]


def _options(group: str, parts: Mapping[str, Callable[..., Any]], first: str) -> list[Option]:
    """Return the options of all words of a group; those that are the same in several words once.

    The default is that of the word `first`, if it has the option.
    """
    owners: dict[str, dict[Option, dict[str, str]]] = {}
    for word in (first, *(word for word in parts if word != first)):
        parameters, lines = inspect.signature(parts[word]).parameters, explanations(parts[word])
        for name in options_of(group, word):
            field = FieldInfo.from_annotation(parameters[name].annotation)
            option = Option(
                f"{group}.{name}", _allowed(field), "", lines.get(name, ""), choices=_choices(_schema(field))
            )
            owners.setdefault(name, {}).setdefault(option, {})[word] = _shown(_config(f"{group}/{word}")[name])
    return [
        option._replace(default=_joined(defaults), words=tuple(defaults) if len(defaults) < len(parts) else ())
        for of_name in owners.values()
        for option, defaults in of_name.items()
    ]


def _joined(defaults: Mapping[str, str]) -> str:
    """Return the default of the first word, with those that differ in brackets."""
    first, *others = dict.fromkeys(defaults.values())
    words = {value: ", ".join(word for word in defaults if defaults[word] == value) for value in others}
    differing = "; ".join(f"{value} in {words[value]}" for value in others)
    return f"{first} ({differing})" if others else first


def _shown(value: Any) -> str:
    """Return a default as it is typed; an interpolation as what it stands for."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_shown, value))}]"
    if found := _VARIABLE.search(str(value)):
        return f"{found[2]}, or the environment variable {found[1]}"
    return "" if value == "???" else str(value).removeprefix("${").removesuffix("}")


def _allowed(field: FieldInfo) -> str:
    """Return in words what is allowed for a value."""
    return field.description or _in_words(_schema(field))


def _schema(field: FieldInfo) -> Mapping[str, Any]:
    try:
        return TypeAdapter(field.rebuild_annotation()).json_schema()
    except PydanticUserError:  # a class of somebody's own
        return {}


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the values that a schema lists; none if it has a range."""
    if schema.get("type") == "boolean":
        return ("true", "false")
    return tuple(schema.get("enum", ()))


def _in_words(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"description": described}:
            return described
        case {"anyOf": [*choices]}:
            return ", or ".join(map(_in_words, choices))
        case {"enum": [*names, last]}:
            return f"{', '.join(names)} or {last}"
        case {"type": "array", "items": items}:
            return f"a list, in brackets, of {_in_words(items)}"
        case {"type": "integer" | "number" as kind}:
            return _range(kind, schema)
        case {"type": kind}:
            return {"boolean": "true or false", "string": "text", "null": "null"}[kind]
    return "any value"


def _range(kind: str, schema: Mapping[str, Any]) -> str:
    """Return a range as an interval, or as one bound."""
    match schema:
        case {"minimum": low}:
            opening = f"[{low}"
        case {"exclusiveMinimum": low}:
            opening = f"({low}"
        case _:
            return kind
    match schema:
        case {"maximum": high}:
            return f"{kind} in {opening}, {high}]"
        case {"exclusiveMaximum": high}:
            return f"{kind} in {opening}, {high})"
    return f"{kind} {'>=' if 'minimum' in schema else '>'} {low}"
