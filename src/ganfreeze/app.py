"""The composition root: the only module that sees Hydra or a config. It makes the parts, and joins them."""

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganfreeze import checkpoint, data, errors, events, movement, provenance, sampling, trainer, types, validation
from ganfreeze import tensorflow as tf
from ganfreeze.cadence import Cadence
from ganfreeze.progress import Terminal
from ganfreeze.report import query
from ganfreeze.streams import Streams, sample_noise, weights_random

_ALGORITHM = ("keras", "strategy", "update", "architecture", "loss", "optimizer", "schedule")
WORDS = (*_ALGORITHM, "dataset", "evaluator", "tracker")  # the config groups
_GIVEN = ("keras", "networks", "loss", "optimizers", "update")  # to a strategy, beside its options
_GRID = 64  # samples in a picture


class Variant(NamedTuple):
    """A checked config, and the parts of it that need no TensorFlow to be made."""

    settings: validation.Settings
    update: types.Update
    loss: types.Loss
    source: data.Source
    architecture: types.Architecture
    optimizer: types.OptimizerPair
    schedule: types.Schedule
    evaluator: types.Evaluator
    tracker: types.Tracker


def check(cfg: DictConfig, words: Mapping[str, str]) -> Variant:
    """Hold a config, composed of these words, against what its parts allow.

    Raises:
        BadInput: a value is missing, of the wrong type or out of range, or two words do not go together.
    """
    try:
        values: Any = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise errors.BadInput(f"{error.full_key}: {str(error).splitlines()[0]}") from None
    validation.check_given(values)
    settings = validation.check_settings({key: value for key, value in values.items() if key not in WORDS})
    for group in WORDS:
        if not isinstance(words.get(group), str) or "_target_" not in values.get(group, {}):
            raise errors.BadInput(f"{group}={words.get(group)}: must be one word, that of a file in conf/{group}")
        options = dict(values[group])
        given = _GIVEN if group == "strategy" else ()
        validation.check_options(group, get_object(options.pop("_target_")), options, given)
    update, loss = _make(cfg["update"]), _make(cfg["loss"])
    if loss.couples and update.batches == "split":
        raise errors.BadInput(
            f"update={words['update']} trains the discriminator on real and fake batches apart; loss={words['loss']} "
            "takes both at once. Choose update=alternating, or another loss."
        )
    others = ("architecture", "optimizer", "schedule", "evaluator", "tracker")
    made = {word: _make(cfg[word]) for word in others}
    return Variant(settings=settings, update=update, loss=loss, source=_make(cfg.dataset), **made)


def run(cfg: DictConfig) -> None:
    """Train one variant, and record it. A user's mistake or interruption ends with a sentence, not a traceback."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    try:
        variant = check(cfg, _words())
        dataset = variant.source.load()
        variant.architecture.check(dataset.image_shape)
        variant.evaluator.check(dataset)
        with variant.tracker as tracker, Terminal(_name()) as terminal:
            for event in _events(cfg, variant, dataset):
                tracker.write(event)
                terminal.write(event)
    except errors.BadInput as error:
        raise SystemExit(f"ganfreeze: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"ganfreeze: {_name()}: interrupted") from None


def _events(cfg: DictConfig, variant: Variant, dataset: data.Dataset) -> Iterator[events.Event]:
    settings, update = variant.settings, variant.update
    yield _described(cfg, dataset)

    keras = instantiate(cfg.keras)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    extractor = variant.evaluator.prepare(dataset)
    yield events.Card(extractor.card)
    tf.random.set_seed(settings.seed)
    networks = variant.architecture.build(
        keras=keras, image_shape=dataset.image_shape, random=weights_random(settings.seed)
    )
    streams = Streams(
        dataset.train.images, settings.seed, settings.batch_size, networks.latent_dim, update.discriminator_steps
    )
    weight_change = movement.weight_change(networks)
    optimizers = variant.optimizer.build(
        keras=keras,
        schedule=variant.schedule,
        iterations=lambda phase: settings.steps * update.iterations(phase),
    )
    strategy = instantiate(cfg.strategy, _partial_=True)(
        keras=keras, networks=networks, loss=variant.loss, optimizers=optimizers, update=update
    )
    generate = sampling.sampler(networks.generator)
    yield from trainer.train(
        strategy=strategy,
        streams=streams,
        measures=[weight_change, lambda: extractor.evaluate(generate(streams.samples(extractor.samples)))],
        samples=lambda: generate(streams.samples(_GRID)),
        save=lambda: checkpoint.save(networks, Path(HydraConfig.get().runtime.output_dir) / "weights"),
        cadence=Cadence(settings.steps, settings.cadence.log, settings.cadence.evaluate),
    )


def close_sweep(cfg: DictConfig) -> str:
    """Link the runs of a sweep that is over, and return the table that compares them; `cfg` is any job's config, with
    Hydra's part."""
    return _make(cfg.tracker).close_sweep(sweep_of(cfg.hydra))


def sweep_of(hydra: Any) -> str:
    """The name of the sweep that a job belongs to: what its launcher put before the job's number, else its folder."""
    return str(hydra.job.id).rpartition("/")[0] or hydra.sweep.dir


def sample(cfg: DictConfig) -> None:
    """Draw samples from a finished run's weights, and write them as a picture."""
    try:
        settings = validation.check_sampling(OmegaConf.to_container(cfg, resolve=True))  # pyright: ignore
        networks = load(settings.run, query.tracking_uri(settings.uri, settings.mlruns))
        latent = sample_noise(settings.seed, settings.count, networks.latent_dim)
        images = sampling.sampler(networks.generator)(latent)
        sampling.write(images, Path(settings.output))
    except (errors.BadInput, OSError) as error:
        raise SystemExit(f"ganfreeze: {error}") from None
    print(f"{settings.output}: {len(images)} samples of run {settings.run}")


def load(run: str, uri: str) -> types.Networks:
    """The networks of a finished run, with their final weights.

    Raises:
        BadInput: there is no such run at this tracking URI, or it did not get as far as saving its weights.
    """
    cfg: Any = OmegaConf.load(query.artifacts(uri, run, "config.yaml"))
    folder = query.artifacts(uri, run, "weights")
    networks = instantiate(cfg["architecture"]).build(
        keras=instantiate(cfg["keras"]), image_shape=checkpoint.image_shape(folder), random=weights_random(0)
    )
    checkpoint.restore(networks, folder)
    return networks


def _make(node: Any) -> Any:
    """Instantiate a part; Hydra wraps what a part's constructor raises, and a user's mistake should be told plainly."""
    try:
        return instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, errors.BadInput):
            raise error.__cause__ from None
        raise


def _described(cfg: DictConfig, dataset: data.Dataset) -> events.Described:
    hydra = HydraConfig.get()
    tags = {"mlflow.runName": _name(), **provenance.tags()}
    if hydra.mode == RunMode.MULTIRUN:
        tags[query.SWEEP_TAG] = sweep_of(hydra)
    values: Any = OmegaConf.to_container(cfg, resolve=True)
    return events.Described(
        parameters=_words() | _flat(values),
        config=OmegaConf.to_yaml(cfg, resolve=True),
        tags=tags,
        versions=provenance.versions(),
        dataset=dataset,
    )


def _words() -> dict[str, str]:
    choices = HydraConfig.get().runtime.choices
    return {word: choices[word] for word in WORDS}


def _name() -> str:
    """What was chosen on the command line, with bare words where the word says it all."""
    parts = [override.partition("=") for override in HydraConfig.get().overrides.task]
    chosen = [value.strip("'") if key in WORDS else f"{key}={value}" for key, _, value in parts]
    return " ".join(chosen) or " ".join(_words()[word] for word in ("strategy", "architecture", "dataset"))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif key != "_target_":
            flat[prefix + key] = value
    return flat


def _interrupt(*_: Any) -> None:
    """End the run in order, on the first Ctrl-C or SIGTERM; further ones must not disturb that."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
