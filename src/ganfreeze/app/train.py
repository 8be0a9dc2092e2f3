"""Train a variant and record it: the program `src/train.py`, and the sweep that a run may belong to."""

import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ganfreeze import events
from ganfreeze.app import at_once, divergence, measures, resume
from ganfreeze.app.description import describe
from ganfreeze.app.execution import build_fastest, stage_of_building
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.measures import Measures
from ganfreeze.app.parse_config import Variant, parse
from ganfreeze.app.run_name import run_name
from ganfreeze.app.seeds import name_of_seed, single_seeds
from ganfreeze.app.settings import cadence_of
from ganfreeze.app.training_setup import TrainingSetup, guarded, require_seeded
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.errors import BadInput, Diverged
from ganfreeze.gan.inspection import has_batch_norm
from ganfreeze.loop import train
from ganfreeze.proof import audit
from ganfreeze.proof.ledger import Violation
from ganfreeze.proof.weight_change import weight_change
from ganfreeze.record import checkpoints, final_weights, mlflow_client, sweep_progress
from ganfreeze.record.checkpoints import Checkpoints
from ganfreeze.record.collapse import CollapseDetector
from ganfreeze.record.report import query
from ganfreeze.record.run_folder import RunFolder
from ganfreeze.record.terminal import Terminal
from ganfreeze.strategy.base import Execution, Strategy
from ganfreeze.types import Metrics

_log = logging.getLogger(__name__)
_EXAMPLES_OF_VARIANCE = 1000


class Recorded(NamedTuple):
    """A run that has ended: its folder, the verdict of its audit, and the last value of each metric."""

    folder: Path
    audit: str
    metrics: Mapping[str, float]


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


def record(variant: Variant, name: str, *, owner: str = "", tags: Mapping[str, str] = MappingProxyType({})) -> Recorded:
    """Train a variant, and write all events to its folder, the tracker and the terminal.

    `owner` is the job of a sweep that the run is.

    Raises:
        BadInput: the data, the networks or the metrics do not go together, or the audit failed.
        Diverged: a loss or a sample became NaN or infinite.
    """
    run = recording(variant, name, owner=owner, tags=tags)
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


def recording(
    variant: Variant,
    name: str,
    *,
    owner: str,
    tags: Mapping[str, str],
    strategy_of: Callable[[Variant, TrainingSetup], Strategy] = guarded,
    load: Callable[[], Dataset] | None = None,
    has_live_lines: bool = True,
) -> Generator[events.Due, None, Recorded]:
    """Do what `record` does, and pause before each span of steps.

    The strategy that `strategy_of` makes is trained, on the data set that `load` returns.
    """
    metrics, audited, sweep = dict[str, float](), "off", owner.rpartition("/")[0]
    line = sweep_progress.line_of(Path(variant.settings.paths.state), sweep)
    with Terminal(name, line, has_live_lines=has_live_lines) as terminal:
        terminal.write(events.Entered("loading the data"))
        dataset = (load or variant.source.load)()
        variant.architecture.check(dataset.example_shape)
        variant.evaluator.check(dataset)
        terminal.write(events.Entered("opening the record"))
        folder = resume.open_folder(variant, dataset, name, owner=owner)
        with folder, variant.tracker.recorder(folder.path) as tracker:
            for event in run_events(variant, dataset, name, folder=folder, tags=tags, strategy_of=strategy_of):
                for recorder in (folder, tracker, terminal):
                    recorder.write(event)
                match event:
                    case events.Due():
                        yield event
                    case events.Measured(_, measured):
                        metrics |= measured
                    case events.Audited(_, ledger, _):
                        audited = ledger["verdict"]
    return Recorded(folder.path, audited, metrics)


def run_events(
    variant: Variant,
    dataset: Dataset,
    name: str,
    *,
    folder: RunFolder,
    tags: Mapping[str, str],
    execution: Execution | None = None,
    strategy_of: Callable[[Variant, TrainingSetup], Strategy] = guarded,
) -> Iterator[events.Event]:
    """Yield all events of a run called `name`, from its description to its end.

    If `folder` holds a checkpoint of the run, the run goes on from there. Steps are run as the checkpoint says, as
    `execution` says, or in the fastest way. The strategy that `strategy_of` makes is trained.
    """
    yield describe(variant, dataset, name, tags=tags)

    latest = checkpoints.latest_facts(folder.checkpoints)
    before = Execution(*latest["execution"]) if latest else execution
    yield events.Entered("building the networks" if before else stage_of_building(variant))
    setup, choice = build_fastest(variant, dataset, before)
    require_seeded(variant, dataset, setup.game.networks)
    _warn_of_batch_norm(setup)
    jit, fused_steps = choice.execution
    yield events.Chosen(
        {"execution.jit": jit, "execution.fused_steps": fused_steps, "judge": setup.strategy.judge}, choice.why
    )

    change = weight_change(setup.game.networks, setup.strategy.phases)
    verdict = yield from _audit(variant, setup)
    if latest and latest["audit"] != verdict:
        raise Violation(f"the audit says {verdict!r} now; before the interruption it said {latest['audit']!r}")

    yield events.Entered("preparing the evaluator and real data")
    measured = measures.prepare(variant, dataset, setup, change)
    yield measured.prepared
    collapse = CollapseDetector(dataset.train.examples[:_EXAMPLES_OF_VARIANCE])
    facts = {"execution": choice.execution, "audit": verdict}
    for event in _training(variant, setup, strategy_of(variant, setup), folder, facts, measured):
        yield event
        yield from collapse.notice(event)
        if isinstance(event, events.Saved) and event.folder == folder.weights:
            yield from measured.trained(event.step)


def _training(
    variant: Variant,
    setup: TrainingSetup,
    strategy: Strategy,
    folder: RunFolder,
    facts: Mapping[str, Any],
    measured: Measures,
) -> Iterator[events.Event]:
    """Yield the events of the training loop. If it diverges, yield the step that did, and end with a sentence on it."""
    networks, average = setup.game.networks, setup.game.average.generator
    settings, cadence = variant.settings, cadence_of(variant.settings)
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
            measures=measured.evaluation,
            glances=measured.glance,
            pictures=measured.pictures,
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


def _audit(variant: Variant, setup: TrainingSetup) -> Generator[events.Event, None, str]:
    """Audit the strategy unless `audit=off`; return the verdict.

    After a violation the run ends here, unless `audit=record`.
    """
    if variant.settings.audit == "off":
        return "off"
    yield events.Entered("auditing what each phase moves")
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
