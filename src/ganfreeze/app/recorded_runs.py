"""Rebuild the variant of a finished run, and its networks, from what the run recorded of itself."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from ganfreeze.app.command_line import RENAMED
from ganfreeze.app.compose import compose_config
from ganfreeze.app.parse_config import Variant, parse
from ganfreeze.app.process import prepare_process
from ganfreeze.app.program_settings import FREE
from ganfreeze.app.training_setup import build_networks
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.errors import BadInput
from ganfreeze.gan.networks import Networks
from ganfreeze.record import final_weights, mlflow_client, store_address
from ganfreeze.record.mlflow_client import FinishedRun
from ganfreeze.types import GROUPS


def variant_of(run: FinishedRun, overrides: Sequence[str]) -> Variant:
    """Rebuild the variant of a run; `overrides` may choose the evaluator, the tracker and where the data lie.

    The words that the run recorded name the parts, so a part may have moved to another module since. Values that come
    from elsewhere in the config, such as folders, are looked up now. Options that are newer than the run have their
    defaults.

    Raises:
        BadInput: an override is not free, or the config is bad.
    """
    chosen = dict(_key_and_word(override) for override in overrides)
    for key in chosen:
        if key not in FREE and key.partition(".")[0] not in FREE:
            raise BadInput(f"{key}: cannot be chosen here, it is the run's own; {', '.join(FREE)} can")
    recorded = _recorded_words(run.parameters)
    words = {group: word for group, word in recorded.items() if group not in FREE}
    words["evaluator"] = chosen.get("evaluator", recorded.get("evaluator", "none"))
    cfg, choices = compose_config(
        *(f"{group}={word}" for group, word in words.items()),
        "cadence.glance=null",  # a run that is older than this option had no glances
        *(override for override in overrides if not override.startswith("evaluator=")),
    )
    skip = {"tracker.uri", "paths", *chosen} - {"evaluator"}
    if words["evaluator"] != recorded.get("evaluator"):  # the recorded options belong to another evaluator
        skip.add("evaluator")
    with open_dict(cfg):
        _lay_over(cfg, OmegaConf.create(run.config), skip)  # pyright: ignore[reportArgumentType]
    return parse(cfg, choices)


def load(values: Mapping[str, Any], run: str, overrides: Sequence[str]) -> tuple[FinishedRun, Variant, Dataset]:
    """Return a finished run of the store that a program's config names, its variant, and the data that it trained on.

    The `overrides` are those of `variant_of`. Raises BadInput as that does.
    """
    finished = mlflow_client.finished_run(tracking_uri_of(values), run)
    variant = variant_of(finished, overrides)
    dataset = variant.source.load()
    require_data(dataset, finished)
    return finished, variant, dataset


def require_data(dataset: Dataset, finished: FinishedRun) -> None:
    """Raise BadInput where the run was trained on other data than these."""
    if dataset.digest != finished.digest:
        raise BadInput(
            f"run={finished.run.id} was trained on other data: dataset={dataset.name} has the SHA-256 "
            f"{dataset.digest[:16]}, the run's data have {finished.digest[:16]}. Set paths.data=FOLDER to the folder "
            "of the run's data."
        )


def tracking_uri_of(values: Mapping[str, Any]) -> str:
    """Return the address of the store that a program's config names. Raises BadInput if it names none."""
    if "store" not in values.get("tracker", {}):
        raise BadInput("tracker: the run is read from MLflow, so tracker=mlflow is needed")
    return store_address.tracking_uri(values["tracker"]["uri"], values["tracker"]["store"])


def restored_networks(variant: Variant, weights: Path) -> tuple[Any, Networks]:
    """Prepare the process, and build the networks of a run with the weights in a folder. Return their Keras with them.

    Raises:
        BadInput: a file of the weights is missing, or belongs to other networks.
    """
    keras = variant.load_keras()
    prepare_process(variant.settings, keras)
    networks = build_networks(variant, final_weights.example_shape(weights), keras)
    final_weights.restore(networks, weights)
    return keras, networks


def _key_and_word(override: str) -> tuple[str, str]:
    key, _, word = override.partition("=")
    return key.lstrip("+~"), word.strip("'\"")


def _recorded_words(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the word of each group that the run knew, by today's names."""
    words = {group: parameters[group] for group in GROUPS if group in parameters}
    return {group: RENAMED.get((group, word), word) for group, word in words.items()}


def _lay_over(cfg: DictConfig, recorded: DictConfig, skip: Collection[str], prefix: str = "") -> None:
    """Copy recorded values into `cfg`, except keys to skip, interpolations, and the modules of our own parts."""
    for key in recorded:
        path = f"{prefix}{key}"
        if path in skip or (key in cfg and OmegaConf.is_interpolation(cfg, str(key))):
            continue
        if key == "_target_" and str(recorded[key]).startswith("ganfreeze."):
            continue
        if isinstance(recorded[key], DictConfig) and isinstance(cfg.get(key), DictConfig):
            _lay_over(cfg[key], recorded[key], skip, f"{path}.")
        else:
            cfg[key] = recorded[key]
