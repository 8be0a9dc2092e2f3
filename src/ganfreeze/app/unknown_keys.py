"""Say which key or word of a command line there is not, and what there is, before Hydra composes the config."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException
from omegaconf import OmegaConf

from ganfreeze.app.program_settings import PROGRAMS, composed_keys, taken_keys
from ganfreeze.app.purposes import CONF
from ganfreeze.errors import BadInput
from ganfreeze.types import GROUPS


def require_known(program: str, overrides: Sequence[str], *, sweep: bool) -> None:
    """Raise BadInput for the first override whose key or word a program does not have.

    Keys that begin with `hydra` are left to Hydra, and so is everything where `hydra.searchpath` may add words, and the
    options of a group whose `_target_` is set. `sweep` says whether a key may have several values. No value of an
    unknown key is shown: it may be an address with a password.

    Raises:
        HydraException: the config cannot be composed.
    """
    parsed = list(_parsed(overrides))
    if any(override.key_or_group == "hydra.searchpath" for override in parsed):
        return
    sweep = sweep or any(override.key_or_group == "hydra.mode" for override in parsed)
    own = [override for override in parsed if not override.is_hydra_override() and override.package is None]
    for override in own:
        if override.is_sweep_override() and not sweep:
            raise BadInput(f"{override.input_line}: several values make a sweep, which needs -m; a list needs brackets")
    words = _words_of_groups(program, own, sweep=sweep)
    classes = [each.key_or_group.removesuffix("_target_") for each in own if each.key_or_group.endswith("._target_")]
    for override in own:
        if override.key_or_group.startswith(tuple(classes)):  # the options of a class of the user's own
            continue
        for key in _keys(override):
            _require_key(program, words, key)
        if override.is_add():
            raise BadInput(f"+{override.key_or_group}: there is {override.key_or_group} already; leave out the +")


def require_names(program: str, names: Sequence[str]) -> None:
    """Raise BadInput for the first name that is neither a group of a program nor the first part of a setting."""
    groups, settings = taken_keys(program)
    there = list(dict.fromkeys([*groups, *(setting.partition(".")[0] for setting in settings)]))
    for name in names:
        if name not in there:
            raise BadInput(f"{name}: src/{program}.py has none{_nearest(name, there)}; there are {', '.join(there)}")


def words_of(group: str) -> list[str]:
    """Return the words of a config group: the names of its files."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def options_of(group: str, word: str) -> list[str]:
    """Return the names of the options of a word."""
    return [str(key) for key in OmegaConf.load(CONF / group / f"{word}.yaml") if key != "_target_"]


def _parsed(overrides: Iterable[str]) -> Iterator[Override]:
    parser = OverridesParser.create()
    for text in overrides:
        try:
            yield parser.parse_override(text)
        except HydraException:
            key, equals, _ = text.partition("=")
            quotes = f"a value with special characters needs quotes of its own: '{key}=\"...\"'"
            raise BadInput(f"{key}: {quotes if equals else 'must be KEY=VALUE'}") from None


def _words_of_groups(program: str, own: Sequence[Override], *, sweep: bool) -> Mapping[str, Sequence[str]]:
    """Return the words that each group may have; the config, or an experiment, chooses those that are not overridden.

    Raises:
        BadInput: there is no such word.
    """
    groups = composed_keys(program).groups
    if not groups:
        return {}
    named = {each.key_or_group: words for each in own if each.key_or_group in groups and (words := _words(each))}
    for group, words in named.items():
        for word in words:
            if word not in (there := words_of(group)):
                raise BadInput(f"{group}={word}: no such {group}{_nearest(word, there)}; there are {', '.join(there)}")
    first = [f"{group}='{words[0]}'" for group, words in named.items()]
    begun = GlobalHydra.instance().is_initialized()  # inside a program, not before it
    with nullcontext() if begun else initialize_config_dir(str(CONF), version_base="1.3"):
        hydra = compose("config", first, return_hydra_config=True).hydra
    chosen = {group: [word] for group, word in hydra.runtime.choices.items() if word and group in groups}
    params = (hydra.sweeper.params or {}) if sweep else {}  # of an experiment
    swept = _parsed(f"{group}={params[group]}" for group in groups if group in params)
    return chosen | {override.key_or_group: _words(override) for override in swept} | named


def _words(override: Override) -> list[str]:
    """Return the words that an override gives a group; none if it deletes the group, or where it has a pattern."""
    if override.is_delete() or override.value_type == ValueType.GLOB_CHOICE_SWEEP or override.value() is None:
        return []
    if override.is_discrete_sweep():
        return [str(getattr(value, "text", value)) for value in override.sweep_iterator()]
    return [str(override.value())]


def _keys(override: Override) -> list[str]:
    """Return the keys that an override sets: more than one where its value is a mapping."""
    return list(_dotted(override.key_or_group, override.value()))


def _dotted(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield key
        return
    for inner, of_inner in value.items():
        yield from _dotted(f"{key}.{inner}", of_inner)


def _require_key(program: str, words: Mapping[str, Sequence[str]], key: str) -> None:
    head, _, option = key.partition(".")
    if option and head in words and key not in PROGRAMS[program].takes:
        for word in words[head]:
            _require_option(head, word, option)
        return
    composed = composed_keys(program)
    known = (*composed.groups, *composed.settings, *PROGRAMS[program].takes)
    if any(f"{each}.".startswith(f"{key}.") for each in known):
        return
    taken = taken_keys(program)
    names = {each: each for each in (*taken.groups, *taken.settings)}
    for group in taken.groups:
        options = _options(group, words.get(group, ()))
        names |= {f"{group}.{name}": f"{group}.{shown}" for name, shown in options.items()}
    listed = [("groups", taken.groups), ("settings", taken.settings)]
    there = "; ".join(f"{name} are {', '.join(keys)}" for name, keys in listed if keys)
    raise BadInput(f"{key}: src/{program}.py has no such key{_nearest(key, names)}; its {there}")


def _require_option(group: str, word: str, option: str) -> None:
    """Raise BadInput if a word has no such option; say which other words of its group have it, or one like it."""
    own = options_of(group, word)
    if option.partition(".")[0] in (*own, "_target_"):
        return
    names = _options(group, [word])
    nearest = f"; {names[option]} is" if option in names else _nearest(option, names)
    there = f"{word} has {', '.join(own) or 'none'}"
    raise BadInput(f"{group}.{option}: not an option of {group}={word}{nearest}; {there}")


def _options(group: str, chosen: Sequence[str]) -> Mapping[str, str]:
    """Return the options of a group; each is shown with the words that have it, unless the chosen words do."""
    owners: dict[str, list[str]] = {}
    for word in sorted(words_of(group), key=lambda word: word not in chosen):
        for option in options_of(group, word) if group in GROUPS else ():
            owners.setdefault(option, []).append(word)
    return {
        option: option if set(chosen) & set(words) else f"{option} (of {group}={' or '.join(words)})"
        for option, words in owners.items()
    }


def _nearest(typed: str, names: Sequence[str] | Mapping[str, str]) -> str:
    """Return a clause that shows the nearest three; "" if none is near.

    Names that begin as it was typed are the nearest. A dotted name is near by its last part too.
    """
    by_alias: dict[str, list[str]] = {}
    for name in names:
        for alias in {name, name.rpartition(".")[2]}:
            by_alias.setdefault(alias, []).append(names[name] if isinstance(names, Mapping) else name)
    typed = typed.lower()
    begun = [alias for alias in by_alias if len(typed) > 2 and alias.startswith(typed)]
    near = [*begun, *get_close_matches(typed, by_alias, n=3)]
    shown = list(dict.fromkeys(name for alias in near for name in by_alias[alias]))[:3]
    return f"; the nearest {'is' if len(shown) == 1 else 'are'} {', '.join(shown)}" if shown else ""
