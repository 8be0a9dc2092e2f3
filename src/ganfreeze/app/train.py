"""Train a variant and record it: the program `src/train.py`, and the sweep that a run may belong to."""

import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ganfreeze import events
from ganfreeze.app import divergence, resume
from ganfreeze.app.description import describe
from ganfreeze.app.execution import build_fastest
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import GROUPS, Variant, parse
from ganfreeze.app.settings import cadence_of
from ganfreeze.app.training_setup import TrainingSetup, guarded, require_seeded
from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.errors import BadInput, Diverged
from ganfreeze.evaluation.evaluated_generator import evaluated_generators
from ganfreeze.evaluation.sampler import Sampler
from ganfreeze.gan.inspection import has_batch_norm
from ganfreeze.loop import train
from ganfreeze.proof import audit
from ganfreeze.proof.ledger import Violation
from ganfreeze.proof.weight_change import weight_change
from ganfreeze.record import checkpoints, final_weights, mlflow_client
from ganfreeze.record.checkpoints import Checkpoints
from ganfreeze.record.collapse import CollapseDetector
from ganfreeze.record.report import query
from ganfreeze.record.run_folder import RunFolder
from ganfreeze.record.terminal import Terminal
from ganfreeze.strategy.base import Execution
from ganfreeze.types import Metrics

_log = logging.getLogger(__name__)
_IMAGES_IN_PICTURE, _POINTS_IN_PICTURE = 64, 2500
_EXAMPLES_OF_VARIANCE = 1000


def run(cfg: DictConfig) -> None:
    """Train one variant and record it. A mistake or an interruption ends with a sentence, not with a traceback."""
    name = _name()
    with friendly_errors(name):
        variant = parse(cfg, HydraConfig.get().runtime.choices)
        dataset = variant.source.load()
        variant.architecture.check(dataset.example_shape)
        variant.evaluator.check(dataset)
        sweep = sweep_of(HydraConfig.get())
        tags = {mlflow_client.SWEEP_TAG: sweep.rpartition("/")[0]} if sweep else {}
        if experiment := HydraConfig.get().runtime.choices.get("experiment"):
            tags[query.EXPERIMENT_TAG] = experiment
        folder = resume.open_folder(variant, dataset, name, owner=sweep)
        with folder, variant.tracker.recorder(folder.path) as tracker, Terminal(name) as terminal:
            for event in run_events(variant, dataset, name, folder=folder, tags=tags):
                for recorder in (folder, tracker, terminal):
                    recorder.write(event)


def run_events(
    variant: Variant,
    dataset: Dataset,
    name: str,
    *,
    folder: RunFolder,
    tags: Mapping[str, str],
    execution: Execution | None = None,
) -> Iterator[events.Event]:
    """Yield all events of a run called `name`, from its description to its end.

    If `folder` holds a checkpoint of the run, the run goes on from there. Steps are run as the checkpoint says, as
    `execution` says, or in the fastest way.
    """
    yield describe(variant, dataset, name, tags=tags)

    latest = checkpoints.latest_facts(folder.checkpoints)
    before = Execution(*latest["execution"]) if latest else execution
    setup, choice = build_fastest(variant, dataset, before)
    require_seeded(variant, dataset, setup.game.networks)
    _warn_of_batch_norm(setup)
    jit, fused_steps = choice.execution
    yield events.Chosen(
        {"execution.jit": jit, "execution.fused_steps": fused_steps, "judge": setup.strategy.judge}, choice.why
    )

    networks, average = setup.game.networks, setup.game.average.generator
    change = weight_change(networks, setup.strategy.phases)
    verdict = yield from _audit(variant, setup)
    if latest and latest["audit"] != verdict:
        raise Violation(f"the audit says {verdict!r} now; before the interruption it said {latest['audit']!r}")

    evaluator = variant.evaluator.prepare(dataset)
    trained = {"": networks.generator} | ({"_ema": average} if average else {})
    samplers = {suffix: Sampler(generator, variant.settings.latent) for suffix, generator in trained.items()}
    generators = list(evaluated_generators(evaluator, samplers, variant.settings.ema, [evaluator.seed]))
    yield events.Prepared(evaluator.facts, {generator.name: generator.card for generator in generators})

    _require_measured(variant.settings.keep.best, [generator.name for generator in generators])
    measures = [change, *(partial(generator.named_metrics, evaluator.seed) for generator in generators)]
    pictures = {f"samples{suffix}": _picture(dataset, setup, sampler) for suffix, sampler in samplers.items()}
    collapse = CollapseDetector(dataset.train.examples[:_EXAMPLES_OF_VARIANCE])
    facts = {"execution": choice.execution, "audit": verdict}
    for event in _training(variant, setup, folder, facts, measures, pictures):
        yield event
        yield from collapse.notice(event)


def _training(
    variant: Variant,
    setup: TrainingSetup,
    folder: RunFolder,
    facts: Mapping[str, Any],
    measures: Sequence[Callable[[], Metrics]],
    pictures: Mapping[str, Callable[[], Examples]],
) -> Iterator[events.Event]:
    """Yield the events of the training loop. If it diverges, yield the step that did, and end with a sentence on it."""
    networks, average = setup.game.networks, setup.game.average.generator
    settings, cadence, strategy = variant.settings, cadence_of(variant.settings), guarded(variant, setup)
    keep = settings.keep
    kept = Checkpoints(folder.checkpoints, setup.variables, last=keep.last, best=keep.best, facts=facts)

    def save_if_best(step: int, metrics: Metrics) -> Path | None:
        try:
            return final_weights.save(networks, folder.path / "best", average) if kept.is_best(step, metrics) else None
        except OSError as error:
            _log.warning("warning: the best weights so far could not be written: %s", error)
            return None

    try:
        yield from train(
            strategy=strategy,
            streams=setup.streams,
            measures=measures,
            pictures=pictures,
            checkpoints=kept,
            save=lambda: final_weights.save(networks, folder.weights, average),
            save_if_best=save_if_best,
            cadence=cadence,
            tolerant=settings.on_nan == "continue",
        )
    except Diverged as error:
        explained = divergence.explain(setup, strategy, kept, cadence, error.steps, folder.path)
        if explained is None:
            raise
        yield explained
        raise Diverged(explained.sentence) from error


def sweep_of(hydra: Any) -> str:
    """Return the job of a sweep that this run is, "SWEEP/NUMBER"; "" if it is none. Its launcher named the sweep."""
    if hydra.mode != RunMode.MULTIRUN:
        return ""
    return f"{str(hydra.job.id).rpartition('/')[0] or hydra.sweep.dir}/{hydra.job.num}"


def _require_measured(metric: str | None, evaluated: Sequence[str]) -> None:
    if metric is not None and metric.rpartition("/")[0] not in evaluated:
        measured = ", ".join(f"{name}/..." for name in evaluated) or "no metric"
        raise BadInput(f"keep.best={metric}: is not measured; this run measures {measured}")


def _audit(variant: Variant, setup: TrainingSetup) -> Generator[events.Event, None, str]:
    """Audit the strategy unless `audit=off`; return the verdict.

    After a violation the run ends here, unless `audit=record`.
    """
    if variant.settings.audit == "off":
        return "off"
    ledger = audit.audit(setup.strategy, setup.game, setup.streams)
    for phase, count in ledger.skipped.items():
        if count:
            text = "audit: steps that the optimizer of the %s phase skipped until its loss scale fitted: %d"
            _log.info(text, phase, count)
    yield events.Audited(ledger.tags(), ledger.json(), ledger.table())
    if variant.settings.audit == "error":
        failure = setup.strategy.known_failure
        is_known = failure and all(variant.values[key] in choices for key, choices in failure.when.items())
        ledger.require(variant.words["strategy"], failure.diagnosis if failure and is_known else "")
    return ledger.verdict


def _warn_of_batch_norm(setup: TrainingSetup) -> None:
    game = setup.game
    if game.regularizer.batch_norm_warning and has_batch_norm(game.keras, game.networks.discriminator):
        _log.warning("warning: %s", game.regularizer.batch_norm_warning)


def _picture(dataset: Dataset, setup: TrainingSetup, sampler: Sampler) -> Callable[[], Examples]:
    count = _IMAGES_IN_PICTURE if len(dataset.example_shape) == 3 else _POINTS_IN_PICTURE
    return lambda: sampler(setup.streams.samples(count))


def _name() -> str:
    """Return the run's name: its overrides, a word without its group; its main words if there are no overrides."""
    hydra = HydraConfig.get()
    overrides = [override.partition("=") for override in hydra.overrides.task]
    parts = [value.strip("'") if key in GROUPS else f"{key}={value}" for key, _, value in overrides]
    choices = hydra.runtime.choices
    return " ".join(parts) or f"{choices['strategy']} {choices['architecture']} {choices['dataset']}"
