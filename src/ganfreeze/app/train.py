"""Training runs: one variant trained and recorded, and the sweep that it may be part of."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ganfreeze import events, loop
from ganfreeze.app import evaluate, execution
from ganfreeze.app.config import GROUPS, Assembled, Variant, check, chosen, described, make
from ganfreeze.app.exits import friendly_errors
from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.evaluation.sampler import Sampler
from ganfreeze.loop import Cadence
from ganfreeze.proof import audit as auditing
from ganfreeze.proof.watch import WatchedStrategy
from ganfreeze.proof.weight_change import weight_change
from ganfreeze.record import checkpoints, mlflow_store
from ganfreeze.record.terminal import Terminal
from ganfreeze.strategy.base import Strategy

_GRID, _CLOUD = 64, 2500  # samples in a picture, of images and of points


def run(cfg: DictConfig) -> None:
    """Train one variant, and record it. A user's mistake or interruption ends with a sentence, not a traceback."""
    with friendly_errors(_name()):
        variant = check(cfg, _words())
        dataset = variant.source.load()
        variant.architecture.check(dataset.image_shape)
        variant.evaluator.check(dataset)
        with variant.tracker as tracker, Terminal(_name()) as terminal:
            hydra = HydraConfig.get()
            sweep = {mlflow_store.SWEEP_TAG: sweep_of(hydra)} if hydra.mode == RunMode.MULTIRUN else {}
            for event in run_events(variant, dataset, _name(), folder=Path(hydra.runtime.output_dir), tags=sweep):
                tracker.write(event)
                terminal.write(event)


def run_events(
    variant: Variant, dataset: Dataset, name: str, *, folder: Path, tags: Mapping[str, str]
) -> Iterator[events.Event]:
    """All that happens in a run that is called `name`, from its description to its end; weights go to `folder`."""
    settings = variant.settings
    yield described(variant, dataset, name, tags=tags)

    assembled, choice = execution.build_fastest(variant, dataset)
    pair = assembled.game.networks
    jit, fused_steps = choice.execution
    yield events.Chosen({"execution.jit": jit, "execution.fused_steps": fused_steps}, choice.why)
    change = weight_change(pair, assembled.strategy.phases)
    yield from _audited(variant, assembled)

    evaluation, average = variant.evaluator.prepare(dataset), assembled.game.average.generator
    samplers = {"": Sampler(pair.generator)} | ({"_ema": Sampler(average)} if average else {})
    subjects = list(evaluate.subjects(evaluation, samplers, settings.ema, [evaluation.seed]))
    yield events.Prepared(evaluation.facts, {subject.name: subject.card for subject in subjects})
    yield from loop.train(
        strategy=_watched(variant, assembled),
        streams=assembled.streams,
        measures=[change, *(partial(evaluate.named, subject, evaluation.seed) for subject in subjects)],
        pictures={f"samples{suffix}": _picture(dataset, assembled, each) for suffix, each in samplers.items()},
        save=lambda: checkpoints.save(pair, folder / "weights", average),
        cadence=Cadence(settings.steps, settings.cadence.log, settings.cadence.evaluate),
    )


def _picture(dataset: Dataset, assembled: Assembled, sampler: Sampler) -> Callable[[], Examples]:
    count = _GRID if len(dataset.image_shape) == 3 else _CLOUD
    return lambda: sampler(assembled.streams.samples(count))


def _audited(variant: Variant, assembled: Assembled) -> Iterator[events.Event]:
    """Audit the strategy, unless that is off; where it fails, the run ends here, or goes on under audit=record."""
    if variant.settings.audit == "off":
        return
    ledger = auditing.audit(assembled.strategy, assembled.game, assembled.streams)
    yield events.Audited(ledger.tags(), ledger.json(), ledger.table())
    if variant.settings.audit == "error":
        known = all(chosen(variant)[key] in values for key, values in assembled.strategy.fails.items())
        ledger.require(variant.words["strategy"], assembled.strategy.diagnosis if known else "")


def _watched(variant: Variant, assembled: Assembled) -> Strategy:
    every, tolerated = variant.settings.cadence.audit, variant.settings.audit != "error"
    return (
        WatchedStrategy(assembled.strategy, assembled.game, every, tolerated=tolerated) if every else assembled.strategy
    )


def close_sweep(cfg: DictConfig) -> str:
    """Link the runs of a sweep that is over, and return the table that compares them; `cfg` is any job's config, with
    Hydra's part."""
    return make(cfg.tracker).close_sweep(sweep_of(cfg.hydra))


def sweep_of(hydra: Any) -> str:
    """The name of the sweep that a job belongs to: what its launcher put before the job's number, else its folder."""
    return str(hydra.job.id).rpartition("/")[0] or hydra.sweep.dir


def _words() -> dict[str, str]:
    choices = HydraConfig.get().runtime.choices
    return {word: choices[word] for word in GROUPS}


def _name() -> str:
    """What was chosen on the command line, with bare words where the word says it all."""
    parts = [override.partition("=") for override in HydraConfig.get().overrides.task]
    chosen = [value.strip("'") if key in GROUPS else f"{key}={value}" for key, _, value in parts]
    return " ".join(chosen) or " ".join(_words()[word] for word in ("strategy", "architecture", "dataset"))
