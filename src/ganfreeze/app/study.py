"""Variants composed inside a program, for the programs that compare several of them."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict

from ganfreeze.app.command_line import current_words
from ganfreeze.app.parse_config import Variant, parse, resolved
from ganfreeze.app.unknown_keys import require_known
from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput, one_line


def compose_variant(*overrides: str) -> Variant:
    """Compose and parse the variant that `train.py` would train with these overrides. Raises BadInput."""
    return parse(*compose_config(*overrides))


def compose_config(*overrides: str) -> tuple[DictConfig, Mapping[str, str]]:
    """Compose the config of `train.py` with these overrides; return it with its words, not checked yet.

    Raises:
        BadInput: there is no such key or word.
    """
    try:
        cfg = compose("config", current_words(overrides), return_hydra_config=True)
    except HydraException as error:
        require_known("train", current_words(overrides), sweep=False)
        reason = str(error).partition("Config search path")[0].strip()
        raise BadInput(f"{' '.join(overrides)}: {reason}") from None
    with open_dict(cfg):
        return cfg, cfg.pop("hydra").runtime.choices


def compose_program(program: str, *overrides: str) -> dict[str, Any]:
    """Compose the config of a program with these overrides, and return its values. Raises BadInput."""
    try:
        require_known(program, overrides, sweep=False)
        return resolved(compose(program, list(overrides)))
    except HydraException as error:
        raise BadInput(f"{' '.join(overrides)}: {one_line(error, 300)}") from None


def command_line_overrides(own: Sequence[str]) -> list[str]:
    """Return the overrides of a program's command line, without its `own` keys."""
    overrides = HydraConfig.get().overrides.task
    return [override for override in overrides if override.partition("=")[0].lstrip("+~") not in own]


def group_words(group: str) -> list[str]:
    """Return the words of a config group."""
    return GlobalHydra.instance().config_loader().get_group_options(group, ObjectType.CONFIG)


def listed_words(key: str, value: Any, allowed: Sequence[str]) -> list[str]:
    """Return the words that the value of `key` lists, each once; None lists all that are allowed.

    Raises:
        BadInput: the list is empty, or holds another word.
    """
    if value is None:
        return list(allowed)
    words = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if not words or any(word not in allowed for word in words):
        raise BadInput(f"{key}={value}: must be a list of some of these: {', '.join(allowed)}")
    return list(dict.fromkeys(words))


def output_folder(output: str) -> Path:
    """Make the folder `output` of a program. Raises BadInput where that is impossible."""
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"output={output}: {error}") from error
    return folder


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence the warnings that nothing is trainable and that a function is traced again: these programs show both."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            yield
    finally:
        logger.setLevel(level)
