"""Train a variant and record it: the program `src/train.py`, and the sweep that a run may belong to."""

from collections.abc import Generator, Mapping
from functools import cache
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ganfreeze import events
from ganfreeze.app import at_once, resume
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import Variant, parse
from ganfreeze.app.recording import Recorded, record, recording
from ganfreeze.app.run_name import run_name
from ganfreeze.app.seeds import name_of_seed, single_seeds
from ganfreeze.errors import BadInput
from ganfreeze.record import mlflow_client
from ganfreeze.record.report import query


def run(cfg: DictConfig) -> None:
    """Train one variant and record it. A mistake or an interruption ends with a sentence, not with a traceback."""
    name = run_name(HydraConfig.get())
    with friendly_errors(name):
        variant = parse(cfg, HydraConfig.get().runtime.choices)
        job = sweep_of(HydraConfig.get())
        sweep, _, number = job.rpartition("/")
        tags = {mlflow_client.SWEEP_TAG: sweep, mlflow_client.JOB_TAG: number} if sweep else {}
        trial = HydraConfig.get().sweeper.get("trial")
        if sweep and trial is not None:  # a run of a search
            tags |= {mlflow_client.STUDY_TAG: sweep, mlflow_client.TRIAL_TAG: str(trial)}
        if experiment := HydraConfig.get().runtime.choices.get("experiment"):
            tags[query.EXPERIMENT_TAG] = experiment
        if variant.settings.seeds_at_once == 1:
            record(variant, name, owner=job, tags=tags)
        else:
            _record_at_once(variant, name, owner=job, tags=tags)


def _record_at_once(variant: Variant, name: str, *, owner: str, tags: Mapping[str, str]) -> None:
    """Train all seeds of `seeds_at_once`, each as a run of its own; in a sweep, those that have not ended.

    Raises:
        BadInput: as `record` does; or a seed had failed before in a way in which it would fail again.
    """
    load = cache(variant.source.load)
    at_once.require_stackable(variant, load())
    before = {each.settings.seed: resume.progress(each, owner) if owner else None for each in single_seeds(variant)}
    ended = {seed: each for seed, each in before.items() if each and (each.status == "FINISHED" or each.hopeless)}
    variants = [each for each in single_seeds(variant) if each.settings.seed not in ended]

    def begin(variant: Variant, **joined: Any) -> Generator[events.Due, None, Recorded]:
        own = name_of_seed(name, variant.settings.seed)
        return recording(
            variant, own, owner=owner, tags=tags, load=load, has_live_lines=variant is variants[0], **joined
        )

    at_once.train(variants, begin)
    if failed := [f"seed={seed}: {each.why}" for seed, each in ended.items() if each.hopeless]:
        raise BadInput("\n".join(failed))


def sweep_of(hydra: Any) -> str:
    """Return the job of a sweep that this run is, "SWEEP/NUMBER"; "" if it is none. Its launcher named the sweep."""
    if hydra.mode != RunMode.MULTIRUN:
        return ""
    return f"{str(hydra.job.id).rpartition('/')[0] or hydra.sweep.dir}/{hydra.job.num}"
