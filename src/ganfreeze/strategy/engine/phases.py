"""How phases are made, how they make up a step, and what their metrics are called."""

from abc import ABC
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import Streams
from ganfreeze.errors import Refused
from ganfreeze.gan.inspection import has_batch_norm, has_other_modes
from ganfreeze.gan.layers.random import set_seed
from ganfreeze.gan.loss.base import Loss
from ganfreeze.gan.update.base import Update
from ganfreeze.strategy.base import Game, Judge, Phase, Strategy
from ganfreeze.types import Metrics, PhaseName, Tensor, TensorMetrics, Variable

PhaseFunction = Callable[..., Mapping[str, Any]]
# For each call of a step: its real examples, its latent vectors, and anything that it shares with the other call.
StepInputs = Sequence[tuple[Any, ...]]
METRICS = ("discriminator_loss", "accuracy_real", "accuracy_fake", "generator_loss")  # of both phases


def accuracy_real(loss: Loss, logits: Tensor) -> Tensor:
    """Return the share of real images that the discriminator calls real; logits (..., batch, 1), shares in [0, 1].

    It calls real what is above the loss's boundary. Under a relativistic loss only differences of logits matter, so
    logits have no zero, and neither accuracy says more than on which side of 0 they happen to lie.
    """
    return tf.reduce_mean(tf.cast(logits > loss.boundary, tf.float32), (-2, -1))


def accuracy_fake(loss: Loss, logits: Tensor) -> Tensor:
    """Return the share of fakes that the discriminator calls fake; logits (..., batch, 1), shares in [0, 1]."""
    return tf.reduce_mean(tf.cast(logits <= loss.boundary, tf.float32), (-2, -1))


def judge(game: Game, *, flag: bool) -> Judge:
    """Return the mode in which the frozen discriminator is to judge in the generator phase.

    `flag` says whether its `trainable` flag is False then.

    Raises:
        Refused: `update.judge=training`, but the flag puts BatchNormalization into inference mode.
    """
    own = habit(game, flag=flag)
    if game.update.judge == "training" and own != "training":
        raise Refused(
            "update.judge=training: the discriminator has BatchNormalization, and a strategy that freezes it by its "
            "flag puts it into inference mode; choose update.judge=inference, or strategy=tape, train_step or tfgan"
        )
    return own if game.update.judge == "auto" else game.update.judge


def habit(game: Game, *, flag: bool) -> Judge:
    """Return the mode in which the frozen discriminator judges if nobody asks for another.

    A flag puts BatchNormalization into inference mode, and leaves all other layers in training mode.
    """
    discriminator = game.networks.discriminator
    if not (flag and has_batch_norm(game.keras, discriminator)):
        return "training"
    return "mixed" if has_other_modes(discriminator) else "inference"


def make_phases(game: Game, *, discriminator: PhaseFunction, generator: PhaseFunction) -> Mapping[PhaseName, Phase]:
    """Make the discriminator phase and the generator phase of a game.

    They are to train what is trainable now, so this comes before a strategy sets any flag.
    """
    networks = game.networks
    weights = tuple(networks.discriminator.trainable_variables)

    def seeded(name: PhaseName, train: PhaseFunction) -> PhaseFunction:
        def run(real: Tensor, latent: Tensor, *shared: Any) -> Mapping[str, Any]:
            if networks.seed is not None:
                set_seed(networks.seed, name, latent)
            return train(real, latent, *shared)

        return run

    return {
        "discriminator": Phase(
            "discriminator",
            weights,
            seeded("discriminator", discriminator),
            constrain=lambda: game.regularizer.constrain(weights),
        ),
        "generator": Phase(
            "generator",
            tuple(networks.generator.trainable_variables),
            seeded("generator", generator),
            average=game.average.update,
        ),
    }


def step_inputs(update: Update, streams: Streams, step: int) -> StepInputs:
    """Return the inputs of each call of a step."""
    return [(streams.batch(step, call.real), streams.noise(step, *call.noise)) for call in update.calls()]


def inputs_from_draws(update: Update, real: Tensor, noise: Tensor) -> StepInputs:
    """Return the inputs of each call of a step from what was drawn for it.

    `real` holds the step's batches of examples, (draws, batch, ...), and `noise` its latent vectors, (noises, batch,
    ...).
    """
    noises = update.noises()
    return [(real[call.real], noise[noises.index(call.noise)]) for call in update.calls()]


def run_step(phases: Mapping[PhaseName, Phase], update: Update, inputs: StepInputs) -> list[Mapping[str, Any]]:
    """Run the phases of one step in the update's order, and return the metrics of each call."""
    if update.order != "simultaneous":
        return [phases[call.phase].run(*batch) for call, batch in zip(update.calls(), inputs, strict=True)]
    if update.extrapolation == "extragradient":
        return _extragradient_step(phases, inputs)
    metrics = _train_at_once(phases, inputs)
    for phase in phases.values():
        phase.constrain()
        phase.average()
    return metrics


def _train_at_once(phases: Mapping[PhaseName, Phase], inputs: StepInputs) -> list[Mapping[str, Any]]:
    """Train both networks by their gradients at the present weights, and return the metrics of both calls.

    The discriminator phase runs first. Then the discriminator's initial weights are restored while the generator phase
    runs. So both phases see the weights that the step began with, whatever the mechanism. (This is not so for the
    state: averages have moved on.) If the generator phase moves the discriminator too, which it must not do, that move
    is added to the discriminator phase's.
    """
    weights = phases["discriminator"].trains
    initial = copies(weights)
    discriminator_metrics = phases["discriminator"].train(*inputs[0])
    trained = copies(weights)
    assign(weights, initial)
    generator_metrics = phases["generator"].train(*inputs[1])
    assign(weights, [own + (now - was) for own, now, was in zip(trained, copies(weights), initial, strict=True)])
    return [discriminator_metrics, generator_metrics]


def _extragradient_step(phases: Mapping[PhaseName, Phase], inputs: StepInputs) -> list[Mapping[str, Any]]:
    """Take a step ahead, then the step from the initial weights by the gradients ahead. Return all calls' metrics.

    The second half begins from the weights ahead. Then the way ahead is taken back. So this works for every mechanism
    and every optimizer. The optimizers' slots move in both halves.
    """
    both = list(phases.values())
    initial = [copies(phase.trains) for phase in both]
    metrics = _train_at_once(phases, inputs[:2])
    for phase in both:
        phase.constrain()
    ahead = [copies(phase.trains) for phase in both]
    metrics += _train_at_once(phases, inputs[2:])
    for phase, starts, points in zip(both, initial, ahead, strict=True):
        for variable, start, point in zip(phase.trains, starts, points, strict=True):
            # With start + (now - point) a tape's loop differed from other mechanisms by 1e-4 in single precision.
            variable.assign_sub(point - start)
        phase.constrain()
        phase.average()
    return metrics


def mean(metrics: Iterable[Mapping[str, Any]]) -> Metrics:
    """Return the mean of each metric over the calls that gave it; one mapping for each call."""
    columns: dict[str, list[Any]] = {}
    for metrics_of_call in metrics:
        for name, value in metrics_of_call.items():
            columns.setdefault(name, []).append(value)
    return {name: float(tf.reduce_mean(tf.stack(values))) for name, values in columns.items()}


class PhaseByPhase(Strategy, ABC):
    """A strategy that runs its phases one call at a time."""

    def __init__(self, game: Game, *, discriminator: PhaseFunction, generator: PhaseFunction, judge: Judge) -> None:
        self.phases, self.judge = make_phases(game, discriminator=discriminator, generator=generator), judge
        self._update = game.update

    def advance(self, streams: Streams, step: int, steps: int) -> Metrics:
        metrics: list[TensorMetrics] = []
        for number in range(step, step + steps):
            metrics += run_step(self.phases, self._update, step_inputs(self._update, streams, number))
        return mean(metrics)


def copies(variables: Sequence[Variable]) -> list[Tensor]:
    """Return copies of the variables' values, on their device."""
    return [tf.identity(tf.convert_to_tensor(variable)) for variable in variables]


def assign(variables: Sequence[Variable], values: Sequence[Tensor]) -> None:
    """Set variables to values."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
