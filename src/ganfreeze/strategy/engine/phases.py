"""What the strategies share: how the scalars of a phase are named, and how phases make up steps."""

from abc import ABC
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import Streams
from ganfreeze.gan.loss.base import Loss
from ganfreeze.gan.update.base import Update
from ganfreeze.strategy.base import Game, Phase, Strategy
from ganfreeze.types import Metrics, PhaseName, Tensor, Variable

PhaseFunction = Callable[..., Mapping[str, Any]]
StepInputs = Sequence[
    tuple[Any, ...]
]  # for each call of a step, its real examples, its latent vectors, and what it shares
METRICS = ("discriminator_loss", "accuracy_real", "accuracy_fake", "generator_loss")  # of both phases


def accuracy_real(loss: Loss, logits: Tensor) -> Tensor:
    """The share of real images that the discriminator calls real; logits (batch, 1), a scalar in [0, 1]."""
    return tf.reduce_mean(tf.cast(logits > loss.boundary, tf.float32))


def accuracy_fake(loss: Loss, logits: Tensor) -> Tensor:
    """The share of fakes that the discriminator calls fake; logits (batch, 1), a scalar in [0, 1]."""
    return tf.reduce_mean(tf.cast(logits <= loss.boundary, tf.float32))


def make_phases(game: Game, *, learn: PhaseFunction, fool: PhaseFunction) -> Mapping[PhaseName, Phase]:
    """The discriminator phase and the generator phase of a game; what is trainable now is what they are to train.

    So this comes before a strategy sets any flag.
    """
    weights = tuple(game.networks.discriminator.trainable_variables)

    def learn_within_bounds(*batch: Any) -> Mapping[str, Any]:
        scalars = learn(*batch)
        game.regularizer.constrain(weights)
        return scalars

    def fool_and_average(*batch: Any) -> Mapping[str, Any]:
        scalars = fool(*batch)
        game.average.update()
        return scalars

    return {
        "discriminator": Phase("discriminator", weights, learn_within_bounds),
        "generator": Phase("generator", tuple(game.networks.generator.trainable_variables), fool_and_average),
    }


def step_inputs(update: Update, streams: Streams, step: int) -> StepInputs:
    """What each call of a step is given."""
    return [(streams.batch(step, call.real), streams.noise(step, *call.noise)) for call in update.calls()]


def inputs_from_draws(update: Update, real: Tensor, noise: Tensor) -> StepInputs:
    """The same of one step's draws: its batches of examples, (draws, batch, ...), and noises, (noises, batch, ...)."""
    noises = update.noises()
    return [(real[call.real], noise[noises.index(call.noise)]) for call in update.calls()]


def run_step(phases: Mapping[PhaseName, Phase], update: Update, inputs: StepInputs) -> list[Mapping[str, Any]]:
    """Run the phases of one step in the update's order; the scalars of each call.

    In a simultaneous step the discriminator moves first, and what it was is put back while the generator phase looks at
    it: both phases see the weights that the step began with, whatever the mechanism. (Not the state: averages have
    moved on.) Where the generator phase moves the discriminator too, which it must not, that is added.
    """
    if update.order != "simultaneous":
        return [phases[call.phase].run(*given) for call, given in zip(update.calls(), inputs, strict=True)]
    weights = phases["discriminator"].trains
    begun = _copies(weights)
    learned = phases["discriminator"].run(*inputs[0])
    moved = _copies(weights)
    _assign(weights, begun)
    fooled = phases["generator"].run(*inputs[1])
    _assign(weights, [each + (now - was) for each, now, was in zip(moved, _copies(weights), begun, strict=True)])
    return [learned, fooled]


def mean(scalars: Iterable[Mapping[str, Any]]) -> Metrics:
    """The mean of each scalar over the calls that gave it."""
    seen: dict[str, list[Any]] = {}
    for each in scalars:
        for key, value in each.items():
            seen.setdefault(key, []).append(value)
    return {key: float(tf.reduce_mean(tf.stack(values))) for key, values in seen.items()}


class PhaseByPhase(Strategy, ABC):
    """A strategy that runs its phases one call at a time."""

    def __init__(self, game: Game, *, learn: PhaseFunction, fool: PhaseFunction) -> None:
        self.phases, self._update = make_phases(game, learn=learn, fool=fool), game.update

    def advance(self, streams: Streams, step: int, steps: int) -> Metrics:
        scalars: list[Mapping[str, Any]] = []
        for now in range(step, step + steps):
            scalars += run_step(self.phases, self._update, step_inputs(self._update, streams, now))
        return mean(scalars)


def _copies(variables: Sequence[Variable]) -> list[Tensor]:
    return [tf.identity(tf.convert_to_tensor(variable)) for variable in variables]


def _assign(variables: Sequence[Variable], values: Sequence[Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
