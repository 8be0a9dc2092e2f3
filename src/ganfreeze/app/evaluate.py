"""Evaluate the generator of a finished run again: the program `src/evaluate.py`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from omegaconf import DictConfig

from ganfreeze.app import recorded_runs
from ganfreeze.app.compose import command_line_overrides
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import Variant, resolved
from ganfreeze.app.program_settings import EvaluateSettings, parse_program
from ganfreeze.app.recorded_runs import restored_networks
from ganfreeze.app.training_setup import build_generator
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.errors import BadInput, Diverged
from ganfreeze.evaluation.evaluated_generator import EvaluatedGenerator, evaluated_generators
from ganfreeze.evaluation.protocol_card import HELD_OUT
from ganfreeze.evaluation.sampler import Sampler
from ganfreeze.events import Evaluated
from ganfreeze.record import final_weights, mlflow_client
from ganfreeze.record.mlflow_client import FinishedRun
from ganfreeze.record.report import run_tables

OWN = tuple(EvaluateSettings.model_fields)


def run(cfg: DictConfig) -> None:
    """Evaluate a finished run again, print the metrics, and add them to the run under names of their own.

    Nothing that the run holds already is changed.
    """
    with friendly_errors():
        for finished, evaluated in evaluations(resolved(cfg), command_line_overrides(OWN)):
            print(run_tables.evaluation_table(finished.run, evaluated), flush=True)


def evaluations(values: Mapping[str, Any], overrides: Sequence[str]) -> Iterator[tuple[FinishedRun, Evaluated]]:
    """Evaluate the run that the values of a config name; add each evaluation to the run, and yield it.

    The `overrides` choose the evaluator, the tracker and where the data lie. Raises BadInput.
    """
    settings = parse_program(EvaluateSettings, {key: values[key] for key in OWN})
    finished, variant, dataset = recorded_runs.load(values, settings.run, overrides)
    if variant.words["evaluator"] == "none":
        raise BadInput("evaluator=none measures nothing: choose another, such as evaluator=classifier")
    variant.evaluator.check(dataset)
    mlflow_client.require_over(recorded_runs.tracking_uri_of(values), settings.run)
    try:
        for evaluated in _evaluate(variant, dataset, finished, settings.samples_seeds):
            variant.tracker.amend(settings.run, evaluated)
            yield finished, evaluated
    except Diverged as error:
        raise BadInput(f"run={settings.run}: {error}") from error


def _evaluate(variant: Variant, dataset: Dataset, finished: FinishedRun, count: int) -> Iterator[Evaluated]:
    """Evaluate the generator, and its average where there is one, on `count` sets of samples."""
    samplers = _samplers(variant, dataset, finished)  # prepares the process, which the evaluator relies on
    evaluator = variant.evaluator.prepare(dataset)
    seeds = range(evaluator.seed, evaluator.seed + count)
    for generator in evaluated_generators(evaluator, samplers, variant.settings.ema, seeds):
        by_seed = {seed: generator.metrics(seed) for seed in seeds}
        yield Evaluated(
            step=variant.settings.steps,
            evaluator=generator.name,
            name=_name(generator, count, sorted(by_seed[seeds[0]])),
            card=generator.card,
            by_seed=by_seed,
        )


def _samplers(variant: Variant, dataset: Dataset, finished: FinishedRun) -> Mapping[str, Sampler]:
    keras, networks = restored_networks(variant, finished.weights)
    samplers = {"": Sampler(networks.generator, variant.settings.latent)}
    if final_weights.has_average(finished.weights):
        average = build_generator(variant, dataset.example_shape, keras)
        final_weights.restore_average(average, finished.weights)
        samplers["_ema"] = Sampler(average, variant.settings.latent)
    return samplers


def _name(generator: EvaluatedGenerator, count: int, metrics: list[str]) -> str:
    """Name an evaluation by its samples and seeds, and by a hash of its protocol: the same protocol, the same name."""
    # The keys are part of the hash, and so of the names in recorded runs: they cannot change.
    card = {field: value for field, value in generator.card.items() if field != HELD_OUT}
    protocol = json.dumps({"card": card, "figures": metrics}, sort_keys=True)
    digest = sha256(protocol.encode()).hexdigest()
    return f"{generator.name}-{generator.evaluator.samples}x{count}-{digest[:6]}"
