"""From a config to a variant: its values checked, its parts made and joined."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganfreeze import errors, events, types
from ganfreeze.app import validation
from ganfreeze.backend import machine
from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.dataset.base import Dataset, Source
from ganfreeze.data.streams import Streams, weight_generator
from ganfreeze.evaluation.evaluator.base import Evaluator
from ganfreeze.gan import averaging
from ganfreeze.gan.architecture.base import Architecture
from ganfreeze.gan.freeze.base import Freeze
from ganfreeze.gan.loss.base import Loss
from ganfreeze.gan.networks import Networks
from ganfreeze.gan.optimizer.base import OptimizerPair
from ganfreeze.gan.regularizer.base import Regularizer
from ganfreeze.gan.schedule.base import Schedule
from ganfreeze.gan.update.base import Update
from ganfreeze.record import provenance
from ganfreeze.record.tracker.base import Tracker
from ganfreeze.strategy.base import Execution, Game, Strategy

GROUPS = (  # the config groups
    *("keras", "strategy", "update", "architecture", "freeze", "loss", "regularizer", "optimizer", "schedule"),
    *("dataset", "evaluator", "tracker"),
)
_GIVEN = ("game",)  # to a strategy, beside its options


class Variant(NamedTuple):
    """A checked config, and the parts of it that need no TensorFlow to be made."""

    cfg: DictConfig
    words: Mapping[str, str]
    settings: validation.Settings
    update: Update
    loss: Loss
    regularizer: Regularizer
    freeze: Freeze
    source: Source
    architecture: Architecture
    optimizer: OptimizerPair
    schedule: Schedule
    evaluator: Evaluator
    tracker: Tracker


class Assembled(NamedTuple):
    """A variant that is ready to train."""

    game: Game
    strategy: Strategy
    streams: Streams


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
    settings = validation.check_settings({key: value for key, value in values.items() if key not in GROUPS})
    checked: dict[str, Any] = {}
    for group in GROUPS:
        if not isinstance(words.get(group), str) or "_target_" not in values.get(group, {}):
            raise errors.BadInput(f"{group}={words.get(group)}: must be one word, that of a file in conf/{group}")
        options = dict(values[group])
        given = _GIVEN if group == "strategy" else ()
        checked[group] = validation.check_options(group, get_object(options.pop("_target_")), options, given)
    words = {group: words[group] for group in GROUPS}
    everything = flat(values) | flat(checked) | words
    for group in GROUPS:
        part = get_object(values[group]["_target_"])
        limits, refuses = getattr(part, "limits", {}), getattr(part, "refuses", {})
        validation.check_limits(f"{group}={words[group]}", limits, refuses, everything)
    others = (
        "update",
        "loss",
        "regularizer",
        "freeze",
        "architecture",
        "optimizer",
        "schedule",
        "evaluator",
        "tracker",
    )
    if settings.eager and settings.jit == "on":
        raise errors.BadInput("jit=on: eager=true compiles nothing; choose jit=auto or jit=off, or eager=false")
    if settings.batch_size % settings.packing:
        raise errors.BadInput(
            f"packing={settings.packing}: batch_size={settings.batch_size} must be a multiple of it, for the "
            "discriminator judges so many examples at once"
        )
    made = {word: make(cfg[word]) for word in others}
    made["optimizer"].check(made["update"])
    return Variant(cfg=cfg, words=words, settings=settings, source=make(cfg.dataset), **made)


def settle(settings: validation.Settings) -> None:
    """Set what TensorFlow keeps for the whole process: eager or traced, deterministic or fast, and its seed."""
    tf.config.run_functions_eagerly(settings.eager)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
        tf.config.experimental.enable_tensor_float_32_execution(False)  # which GPUs would round products to 10 bits by
    tf.random.set_seed(settings.seed)


def networks(variant: Variant, dataset: Dataset, keras: Any) -> Networks:
    """Both networks with their initial weights, none of them held yet."""
    machine.limit_gpu_memory(variant.settings.gpu_memory)
    keras.backend.set_floatx(_single_or_double(variant.settings.precision))
    keras.mixed_precision.set_global_policy(variant.settings.precision)
    return variant.architecture.build(
        keras=keras,
        image_shape=dataset.image_shape,
        random=weight_generator(variant.settings.seed),
        packing=variant.settings.packing,
    )


def another_generator(variant: Variant, dataset: Dataset, keras: Any) -> Any:
    """A generator like that of the variant's networks, for averages of its weights to live in."""
    return variant.architecture.generator(keras=keras, image_shape=dataset.image_shape, random=weight_generator(0))


def assemble(
    variant: Variant,
    dataset: Dataset,
    networks: Networks,
    *,
    keras: Any,
    execution: Execution | None = None,
) -> Assembled:
    """Everything that trains, joined: what is held, the optimizers, the strategy, and its streams.

    Without an `execution` steps are run as the settings say, plainly where they leave it open.
    """
    settings, update = variant.settings, variant.update
    settle(settings)
    game = Game(
        keras=keras,
        networks=variant.freeze.apply(networks),
        loss=variant.loss,
        regularizer=variant.regularizer,
        optimizers=variant.optimizer.build(
            keras=keras,
            schedule=variant.schedule,
            update=update,
            steps=settings.steps,
            precision=settings.precision,
        ),
        update=update,
        average=_average(variant, dataset, networks, keras),
        execution=execution or plain(settings),
    )
    streams = Streams(
        images=dataset.train.images,
        seed=settings.seed,
        batch_size=settings.batch_size,
        latent_dim=networks.latent_dim,
        draws=update.discriminator_steps,
        dtype=_single_or_double(settings.precision),
    )
    return Assembled(game, make(variant.cfg.strategy, game=game), streams)


def plain(settings: validation.Settings) -> Execution:
    """How steps are run where nobody looks for the fastest way."""
    return Execution(settings.jit == "on", 1 if settings.fused_steps == "auto" else settings.fused_steps)


def _single_or_double(precision: types.Precision) -> str:
    """The type of weights and data; what a network computes in is its own matter."""
    return "float64" if precision == "float64" else "float32"


def _average(variant: Variant, dataset: Dataset, networks: Networks, keras: Any) -> averaging.Average:
    if variant.settings.ema is None:
        return averaging.NoAverage()
    generator = another_generator(variant, dataset, keras)
    return averaging.ExponentialAverage(variant.settings.ema, of=networks.generator, generator=generator)


def described(
    variant: Variant,
    dataset: Dataset,
    name: str,
    *,
    parameters: Mapping[str, Any] = MappingProxyType({}),
    tags: Mapping[str, str] = MappingProxyType({}),
) -> events.Described:
    """What a run is about, with parameters and tags beside the variant's own."""
    return events.Described(
        parameters={**chosen(variant), **parameters},
        config=OmegaConf.to_yaml(variant.cfg, resolve=True),
        tags={"mlflow.runName": name, **provenance.tags(), **tags},
        versions=provenance.versions(),
        dataset=dataset,
    )


def chosen(variant: Variant) -> dict[str, Any]:
    """All that a variant was composed of, by flat keys: words, options and settings."""
    values: Any = OmegaConf.to_container(variant.cfg, resolve=True)
    return {**variant.words, **flat(values)}


def quoted(arguments: Sequence[str]) -> list[str]:
    """A command line on which `tracker=null` and `loss=5` name words: Hydra takes a bare null for no value, and a
    number for no name."""
    return [
        re.sub(r"(?<=[=,])(null|\d+)(?=,|$)", r"'\1'", each) if each.partition("=")[0] in GROUPS else each
        for each in arguments
    ]


def make(node: Any, **given: Any) -> Any:
    """Instantiate a part; Hydra wraps what a part's constructor raises, and a user's mistake should be told plainly."""
    try:
        return instantiate(node, _partial_=True)(**given) if given else instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, errors.BadInput):
            raise error.__cause__ from None
        raise


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """A config's values by dotted keys, without what Hydra makes parts by."""
    return dict(_flat(values, ""))


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif key != "_target_":
            yield prefix + key, value
