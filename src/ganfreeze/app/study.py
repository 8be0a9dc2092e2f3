"""What the programs that compare variants share: variants composed from a program's own config."""

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
from omegaconf import DictConfig, ListConfig, open_dict

from ganfreeze import errors
from ganfreeze.app.config import Assembled, Variant, assemble, check, make, networks
from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.strategy.base import Execution


def variant(*overrides: str) -> Variant:
    """The variant that `train.py` would make of these overrides. Raises BadInput."""
    return check(*composed(*overrides))


def composed(*overrides: str) -> tuple[DictConfig, Mapping[str, str]]:
    """The config that `train.py` would compose of these overrides, not checked yet, and its words. Raises BadInput."""
    try:
        cfg = compose("config", list(overrides), return_hydra_config=True)
    except HydraException as error:
        told = str(error).partition("Config search path")[0].strip()
        raise errors.BadInput(f"{' '.join(overrides)}: {told}") from None
    with open_dict(cfg):
        return cfg, cfg.pop("hydra").runtime.choices


def command_line_overrides(own: Sequence[str]) -> list[str]:
    """What was set on the command line of a program, without its own keys."""
    task = HydraConfig.get().overrides.task
    return [each for each in task if each.partition("=")[0].lstrip("+~") not in own]


def ready(chosen: Variant, dataset: Dataset, execution: Execution | None = None) -> Assembled:
    """The variant on this data set, ready to train. Its precision and eager mode are the process's until the next."""
    keras = make(chosen.cfg.keras)
    return assemble(chosen, dataset, networks(chosen, dataset, keras), keras=keras, execution=execution)


def group_words(group: str) -> list[str]:
    """The words of a config group."""
    return GlobalHydra.instance().config_loader().get_group_options(group, ObjectType.CONFIG)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Without the warnings that a program gives the reasons of itself: nothing trainable, traced anew."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            yield
    finally:
        logger.setLevel(level)


def output_folder(cfg: DictConfig) -> Path:
    """The folder that a program's results go to, made; Raises BadInput where it cannot be."""
    if not isinstance(cfg.output, str):
        raise errors.BadInput(f"output={cfg.output}: must be a folder")
    path = Path(cfg.output)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.BadInput(f"output={cfg.output}: {error}") from error
    return path


def listed_words(cfg: Any, key: str, allowed: Sequence[str]) -> list[str]:
    """The words that a key of a program's config lists, each once; null stands for all.

    Raises:
        BadInput: one of them is none of those allowed, or there is none.
    """
    if cfg[key] is None:
        return list(allowed)
    words = [cfg[key]] if isinstance(cfg[key], str) else list(cfg[key]) if isinstance(cfg[key], ListConfig) else []
    if not words or any(word not in allowed for word in words):
        raise errors.BadInput(f"{key}={cfg[key]}: must be a list of some of these: {', '.join(allowed)}")
    return list(dict.fromkeys(words))
