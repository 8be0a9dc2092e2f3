"""Variants composed inside a program, for the programs that compare several of them."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict

from ganfreeze.app.command_line import current_words, with_free_keys
from ganfreeze.app.parse_config import Variant, parse, resolved
from ganfreeze.app.purposes import CONF
from ganfreeze.app.run_name import run_name
from ganfreeze.app.unknown_keys import require_known
from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput, one_line


@contextmanager
def configs() -> Iterator[None]:
    """Let configs be composed where no program runs, and leave Hydra as it was."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def compose_variant(*overrides: str) -> Variant:
    """Compose and parse the variant that `train.py` would train with these overrides. Raises BadInput."""
    return parse(*compose_config(*overrides))


def compose_config(*overrides: str) -> tuple[DictConfig, Mapping[str, str]]:
    """Compose the config of `train.py` with these overrides; return it with its words, not checked yet.

    Raises:
        BadInput: there is no such key or word.
    """
    cfg, hydra = _compose(overrides)
    return cfg, hydra.runtime.choices


def compose_run(*overrides: str) -> tuple[Variant, str]:
    """Compose and parse a variant, every key checked; return it with the name of its run. Raises BadInput."""
    require_known("train", current_words(overrides), sweep=False)
    cfg, hydra = _compose(overrides)
    return parse(cfg, hydra.runtime.choices), run_name(hydra)


def _compose(overrides: Sequence[str]) -> tuple[DictConfig, Any]:
    """Return the config of `train.py` with these overrides, and Hydra's own. Raises BadInput."""
    try:
        cfg = compose("config", current_words(overrides), return_hydra_config=True)
    except HydraException as error:
        require_known("train", current_words(overrides), sweep=False)
        reason = str(error).partition("Config search path")[0].strip()
        raise BadInput(f"{' '.join(overrides)}: {reason}") from None
    with open_dict(cfg):
        return cfg, cfg.pop("hydra")


def compose_program(program: str, *overrides: str) -> dict[str, Any]:
    """Compose the config of a program with these overrides, and return its values. Raises BadInput."""
    known = current_words(overrides)
    try:
        require_known(program, known, sweep=False)
        return resolved(compose(program, with_free_keys(program, known)))
    except HydraException as error:
        raise BadInput(f"{' '.join(overrides)}: {one_line(error, 300)}") from None


def command_line_overrides(own: Sequence[str]) -> list[str]:
    """Return the overrides of a program's command line, without its `own` keys."""
    return without_keys(HydraConfig.get().overrides.task, own)


def without_keys(overrides: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Return the overrides of other keys than these."""
    return [override for override in overrides if override.partition("=")[0].lstrip("+~") not in keys]


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
