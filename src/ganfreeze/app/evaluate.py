"""Generators measured by an evaluator: while they train, and again when a run is over."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from ganfreeze import errors, events, types
from ganfreeze.app import recorded_runs, validation
from ganfreeze.app.config import Variant, another_generator, make, networks, settle
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.study import command_line_overrides
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.evaluation.evaluator.base import PreparedEvaluator
from ganfreeze.evaluation.protocol_card import Card
from ganfreeze.evaluation.sampler import Sampler
from ganfreeze.record import checkpoints, mlflow_store
from ganfreeze.record.report import run_tables

_OWN = ("run", "samples_seeds")


class Subject(NamedTuple):
    """A generator under an evaluator: what its figures' names begin with, their card, and `figures(seed)`, its figures
    by their bare names, of samples that are drawn with this seed."""

    name: str
    card: Card
    figures: Callable[[int], types.Metrics]


def subjects(
    evaluation: PreparedEvaluator, samplers: Mapping[str, Sampler], decay: float | None, seeds: Sequence[int]
) -> Iterator[Subject]:
    """What is measured of the generator, "", and beside it of the average of its weights, "_ema", where there is one;
    nothing where the evaluator wants no samples."""
    if not evaluation.samples:
        return
    for suffix, sampler in samplers.items():
        yield Subject(
            name=evaluation.name + suffix,
            card={**evaluation.card, "seeds": list(seeds), "ema": decay if suffix else "none"},
            figures=lambda seed, sampler=sampler: evaluation.evaluate(sampler.stream(seed, evaluation.samples)),
        )


def named(subject: Subject, seed: int) -> types.Metrics:
    """A subject's figures by their full names, "classifier/fid"."""
    return {f"{subject.name}/{figure}": value for figure, value in subject.figures(seed).items()}


def run(cfg: DictConfig) -> None:
    """Evaluate a finished run's weights again, print the figures, and add them to the run, under names of their own:
    what it holds already stays as it is."""
    with friendly_errors():
        values: Any = OmegaConf.to_container(cfg, resolve=True)
        settings = validation.check_evaluation({key: values[key] for key in _OWN})
        uri = _uri(values)
        found = mlflow_store.recorded(uri, settings.run)
        variant = recorded_runs.variant(found, command_line_overrides(_OWN))
        dataset = variant.source.load()
        require_data(dataset, found)
        if variant.words["evaluator"] == "none":
            raise errors.BadInput("evaluator=none measures nothing: choose another, such as evaluator=classifier")
        variant.evaluator.check(dataset)
        with variant.tracker as tracker:
            mlflow_store.require_over(uri, settings.run)
            try:
                for evaluated in _evaluated(variant, dataset, found, settings.samples_seeds):
                    tracker.amend(settings.run, evaluated)
                    print(run_tables.evaluation_table(found.run, evaluated), flush=True)
            except errors.Diverged as error:
                raise errors.BadInput(f"run={settings.run}: {error}") from error


def require_data(dataset: Dataset, found: mlflow_store.Recorded) -> None:
    """Raise BadInput where these are not the data that a run was trained on."""
    if dataset.digest != found.digest:
        raise errors.BadInput(
            f"run={found.run.id} was trained on data of another content: dataset={dataset.name} has the SHA-256 "
            f"{dataset.digest[:16]}, the run's {found.digest[:16]}. Set paths.data=FOLDER, where those are."
        )


def _uri(values: Mapping[str, Any]) -> str:
    if "store" not in values.get("tracker", {}):
        raise errors.BadInput("tracker: a run is looked for in MLflow, so tracker=mlflow is needed")
    return mlflow_store.tracking_uri(values["tracker"]["uri"], values["tracker"]["store"])


def _evaluated(
    variant: Variant, dataset: Dataset, found: mlflow_store.Recorded, count: int
) -> Iterator[events.Evaluated]:
    settle(variant.settings)
    keras = make(variant.cfg.keras)
    pair = networks(variant, dataset, keras)
    checkpoints.restore(pair, found.weights)
    samplers = {"": Sampler(pair.generator)}
    if checkpoints.has_average(found.weights):
        average = another_generator(variant, dataset, keras)
        checkpoints.restore_average(average, found.weights)
        samplers["_ema"] = Sampler(average)
    evaluation = variant.evaluator.prepare(dataset)
    seeds = range(evaluation.seed, evaluation.seed + count)
    for subject in subjects(evaluation, samplers, variant.settings.ema, seeds):
        by_seed = [subject.figures(seed) for seed in seeds]
        protocol = {"card": subject.card, "figures": sorted(by_seed[0])}
        digest = sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()
        yield events.Evaluated(
            step=variant.settings.steps,
            evaluator=subject.name,
            name=f"{subject.name}-{evaluation.samples}x{count}-{digest[:6]}",
            card=subject.card,
            by_seed=dict(zip(seeds, by_seed, strict=True)),
        )
