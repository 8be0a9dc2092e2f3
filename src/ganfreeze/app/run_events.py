"""What happens in a run, as events: it is described, built, audited, trained and measured."""

import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from ganfreeze import events
from ganfreeze.app import divergence, measures
from ganfreeze.app.description import describe
from ganfreeze.app.execution import build_fastest, stage_of_building
from ganfreeze.app.measures import Measures
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.settings import cadence_of
from ganfreeze.app.training_setup import TrainingSetup, guarded, require_seeded
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.errors import Diverged
from ganfreeze.gan.inspection import has_batch_norm
from ganfreeze.loop import Evaluation, train
from ganfreeze.proof import audit
from ganfreeze.proof.ledger import Violation
from ganfreeze.proof.weight_change import weight_change
from ganfreeze.record import checkpoints, final_weights
from ganfreeze.record.checkpoints import Checkpoints
from ganfreeze.record.collapse import CollapseDetector
from ganfreeze.record.run_folder import RunFolder
from ganfreeze.strategy.base import Execution, Strategy
from ganfreeze.types import Metrics

_log = logging.getLogger(__name__)
_EXAMPLES_OF_VARIANCE = 1000


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
            evaluation=Evaluation(
                measures=measured.evaluation,
                glances=measured.glance,
                pictures=measured.pictures,
                save_if_best=save_if_best,
            ),
            checkpoints=kept,
            save=lambda: final_weights.save(networks, folder.weights, average),
            cadence=cadence,
            tolerant=settings.on_nan == "continue",
        )
    except Diverged as error:
        explained = divergence.explain(setup, strategy, kept, cadence, error.steps, folder.path)
        if explained is None:
            raise
        yield explained
        raise Diverged(explained.sentence) from error


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
        is_known = failure and all(variant.values.get(key) in choices for key, choices in failure.when.items())
        ledger.require(variant.words["strategy"], failure.diagnosis if failure and is_known else "")
    return ledger.verdict


def _warn_of_batch_norm(setup: TrainingSetup) -> None:
    game = setup.game
    if game.regularizer.batch_norm_warning and has_batch_norm(game.keras, game.networks.discriminator):
        _log.warning("warning: %s", game.regularizer.batch_norm_warning)
