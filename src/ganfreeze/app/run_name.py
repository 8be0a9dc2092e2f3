"""The name of a run: a few words that tell it from others."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from ganfreeze.record.report.groups import word_of

_MAIN = ("strategy", "architecture", "dataset")
_PLACES = ("paths", "tracker", "resume", "keep", "hydra", "sweep")  # they change no result


def run_name(hydra: Any) -> str:
    """Return the name of the run that this process is for: `hydra` is its Hydra config, with `overrides` and `choices`.

    A run of a sweep is called by what differs in the sweep: "tape seed=1". Another one is called by its strategy, its
    architecture, its data set and the rest of its command line: "tape mlp digits steps=100".
    """
    chosen = dict(_key_and_value(override) for override in hydra.overrides.task)
    if hydra.mode == RunMode.MULTIRUN:
        swept = [key for key in _swept(sys.argv[1:], hydra.sweeper.get("params") or {}) if key in chosen]
        if swept:
            return " ".join(word_of(key, chosen[key]) for key in swept)
    main = [str(hydra.runtime.choices[group]) for group in _MAIN]
    rest = [key for key in chosen if key not in _MAIN and key.partition(".")[0] not in _PLACES]
    return " ".join([*main, *(word_of(key, chosen[key]) for key in rest)])


def _swept(arguments: Sequence[str], params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys that have several values on the command line, or else in the sweeper's `params`."""
    given = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    overrides = OverridesParser.create().parse_overrides(given)
    named = {override.key_or_group for override in overrides}
    yield from (override.key_or_group for override in overrides if override.is_sweep_override())
    inside = [f"{key}={value}" for key, value in params.items() if key not in named]
    for override in OverridesParser.create().parse_overrides(inside):
        if override.is_sweep_override():
            yield override.key_or_group


def _key_and_value(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key.lstrip("+~"), value.strip("'")
