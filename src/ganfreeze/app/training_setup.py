"""Join the parts of a variant into something that trains."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ganfreeze.app.parse_config import Variant
from ganfreeze.app.process import prepare_process, weights_dtype
from ganfreeze.app.settings import Settings
from ganfreeze.backend.devices import Devices, OneDevice, devices_of
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.data.streams import Streams, weight_generator
from ganfreeze.errors import BadInput, Refused
from ganfreeze.gan.averaging import Average, ExponentialAverage, NoAverage
from ganfreeze.gan.inspection import has_batch_norm, unlike, unshareable
from ganfreeze.gan.networks import Networks
from ganfreeze.proof import audit
from ganfreeze.proof.watch import WatchedStrategy
from ganfreeze.strategy.base import Execution, Game, Strategy
from ganfreeze.strategy.engine.skipping import SkippingStrategy
from ganfreeze.types import Model, Variable


class TrainingSetup(NamedTuple):
    """A variant that is ready to train: what is played, by what mechanism, on which batches and noise."""

    game: Game
    strategy: Strategy
    streams: Streams

    @property
    def variables(self) -> Sequence[Variable]:
        """Everything that training changes, each variable once, in the same order in every process."""
        networks = self.game.networks
        found = [
            *(owned.variable for owned in audit.inventory(self.strategy, self.game)),
            *(variable for model in (networks.generator, networks.discriminator) for variable in model.variables),
            *self.game.average.variables,
            *([] if networks.seed is None else [networks.seed]),
        ]
        return list({id(variable): variable for variable in found}.values())


def build(variant: Variant, dataset: Dataset, execution: Execution | None = None) -> TrainingSetup:
    """Prepare the process, and build everything that trains this variant on this data set.

    Without an `execution` the steps run as the settings say, and one by one where these leave it open.

    Raises:
        BadInput: the architecture cannot be built for this data set, or no layer is left to train; or the process
            cannot have so many devices.
        Refused: the networks have layers that need the whole batch, and devices share it.
    """
    keras = variant.load_keras()
    prepare_process(variant.settings, keras)
    devices = devices_of(variant.settings.devices, deterministic=variant.settings.deterministic)
    with devices.scope():
        networks = build_networks(variant, dataset.example_shape, keras)
    if devices.count > 1:
        _require_shareable(variant, keras, networks)
    return join(variant, dataset, keras, networks, execution, devices)


def _require_shareable(variant: Variant, keras: Any, networks: Networks) -> None:
    """Raise Refused where devices that share a batch would not compute what one device does."""
    words, devices = variant.words, f"devices={variant.settings.devices}"
    if names := ", ".join(unshareable(keras, networks)):
        raise Refused(
            f"architecture={words['architecture']} does not go with {devices}: of these layers, random ones would draw "
            f"other numbers, and BatchNormalization would normalize by a part of the batch: {names}. Layers of "
            "ganfreeze.gan.layers.batch_norm normalize by the whole batch"
        )
    if variant.regularizer.penalizes_gradients and has_batch_norm(keras, networks.discriminator):
        # One device takes the mean of a batch as constant in the second derivative (`tf.nn.moments`), several do not.
        raise Refused(
            f"regularizer={words['regularizer']} does not go with {devices} if the discriminator has "
            "BatchNormalization: Keras has another second derivative for it then; change one of them"
        )


def require_seeded(variant: Variant, dataset: Dataset, networks: Networks) -> None:
    """Build the networks again, from the same seed, and compare their initial weights with those of `networks`.

    Raises:
        BadInput: they differ, so no run could be repeated or compared. It names the layers.
    """
    keras = variant.load_keras()
    prepare_process(variant.settings, keras)
    if names := list(unlike(networks, build_networks(variant, dataset.example_shape, keras))):
        raise BadInput(
            f"architecture={variant.words['architecture']}: with the same seed, these layers start from other weights "
            f"each time: {', '.join(names)}. Draw all initial weights from `random`, as "
            "ganfreeze.gan.initializers does."
        )


def join(
    variant: Variant,
    dataset: Dataset,
    keras: Any,
    networks: Networks,
    execution: Execution | None = None,
    devices: Devices | None = None,
) -> TrainingSetup:
    """Join networks to the optimizers, the strategy and the streams that train them."""
    settings, update = variant.settings, variant.update
    devices = devices or OneDevice()
    with devices.scope():
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
            average=_average(variant, dataset.example_shape, keras, networks),
            execution=execution or _execution_of(settings),
            devices=devices,
        )
    streams = Streams(
        examples=dataset.train.examples,
        seed=settings.seed,
        batch_size=settings.batch_size,
        latent_dim=networks.latent_dim,
        latent=settings.latent,
        draws=update.draws,
        dtype=weights_dtype(settings.precision),
    )
    try:
        return TrainingSetup(game, variant.strategy.build(game), streams)
    except Refused as error:
        raise Refused(f"strategy={variant.words['strategy']}: {error}") from None


def guarded(variant: Variant, setup: TrainingSetup) -> Strategy:
    """Return the strategy with the checks during training that the config asks for."""
    every, tolerated = variant.settings.cadence.audit, variant.settings.audit != "error"
    strategy = WatchedStrategy(setup.strategy, setup.game, every, tolerated=tolerated) if every else setup.strategy
    return SkippingStrategy(strategy, setup.variables) if variant.settings.on_nan == "skip" else strategy


def build_networks(variant: Variant, example_shape: tuple[int, ...], keras: Any) -> Networks:
    """Build both networks with their initial weights. The process must be prepared."""
    return variant.architecture.build(
        keras=keras,
        example_shape=example_shape,
        random=weight_generator(variant.settings.seed),
        packing=variant.settings.packing,
    )


def build_generator(variant: Variant, example_shape: tuple[int, ...], keras: Any) -> Model:
    """Build one more generator of the same layers, to hold averaged weights."""
    return variant.architecture.generator(keras=keras, example_shape=example_shape, random=weight_generator(0))


def _average(variant: Variant, example_shape: tuple[int, ...], keras: Any, networks: Networks) -> Average:
    if variant.settings.ema is None:
        return NoAverage()
    generator = build_generator(variant, example_shape, keras)
    return ExponentialAverage(variant.settings.ema, of=networks.generator, generator=generator)


def _execution_of(settings: Settings) -> Execution:
    return Execution(settings.jit == "on", 1 if settings.fused_steps == "auto" else settings.fused_steps)
