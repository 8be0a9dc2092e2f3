"""What a run measures and draws while it trains: evaluations, glances and pictures of its generators."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze import events
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.training_setup import TrainingSetup
from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.errors import BadInput
from ganfreeze.evaluation import protocol_card
from ganfreeze.evaluation.evaluated_generator import EvaluatedGenerator, evaluated_generators
from ganfreeze.evaluation.sampler import Sampler
from ganfreeze.evaluation.sampling_module import sampling_module
from ganfreeze.types import Metrics, Model

_IMAGES_IN_PICTURE, _POINTS_IN_PICTURE = 64, 2500
_EXAMPLES = 4  # of the latent vectors in a generator's record

Measure = Callable[[], Metrics]


class Measures(NamedTuple):
    """What is measured at an `evaluation`, what also at a `glance`, and what is drawn at both, by name.

    `prepared` says how the metrics are measured. `trained` describes the generators as they are after a step.
    """

    evaluation: Sequence[Measure]
    glance: Sequence[Measure]
    pictures: Mapping[str, Callable[[], Examples]]
    prepared: events.Prepared
    trained: Callable[[int], Iterator[events.Trained]]


def prepare(variant: Variant, dataset: Dataset, setup: TrainingSetup, change: Measure) -> Measures:
    """Prepare the evaluators of a variant for its generator, and for the average if there is one.

    `change` measures how far the networks have moved.

    Raises:
        BadInput: `keep.best` is a metric that is not measured on this data set.
    """
    settings, average = variant.settings, setup.game.average.generator
    trained = {"": setup.game.networks.generator} | ({"_ema": average} if average else {})
    samplers = {suffix: Sampler(generator, settings.latent) for suffix, generator in trained.items()}
    evaluator = variant.evaluator.prepare(dataset)
    light = evaluator.glance() if settings.cadence.glance else None
    seeds = [evaluator.seed]
    evaluated = list(evaluated_generators(evaluator, samplers, settings.ema, seeds))
    glanced = list(evaluated_generators(light, samplers, settings.ema, seeds)) if light else []
    if settings.keep.best:
        _require_not_left_out(settings.keep.best, evaluated)

    def measure(generator: EvaluatedGenerator) -> Measure:
        return partial(generator.named_metrics, evaluator.seed)

    return Measures(
        evaluation=[measure(generator) for generator in evaluated],
        glance=[*(measure(generator) for generator in glanced), change],
        pictures={f"samples{suffix}": _picture(dataset, setup, sampler) for suffix, sampler in samplers.items()},
        prepared=events.Prepared(
            evaluator.facts, {generator.name: generator.card for generator in (*evaluated, *glanced)}
        ),
        trained=partial(_trained, trained, setup.streams.samples(_EXAMPLES)),
    )


def _trained(generators: Mapping[str, Model], latent: NDArray[np.float32], step: int) -> Iterator[events.Trained]:
    for suffix, generator in generators.items():
        module = sampling_module(generator)
        yield events.Trained(step, f"generator{suffix}", module, latent, module.__call__(latent).numpy())


def _require_not_left_out(metric: str, evaluated: Sequence[EvaluatedGenerator]) -> None:
    """Raise BadInput if the evaluator leaves the metric of `keep.best` out on this data set."""
    cards = {generator.name: generator.card for generator in evaluated}
    evaluator, _, word = metric.rpartition("/")
    if reason := protocol_card.for_metric(cards.get(evaluator, {}), word).get(protocol_card.LEFT_OUT):
        raise BadInput(f"keep.best={metric}: is not measured: {reason}")


def _picture(dataset: Dataset, setup: TrainingSetup, sampler: Sampler) -> Callable[[], Examples]:
    count = _IMAGES_IN_PICTURE if len(dataset.example_shape) == 3 else _POINTS_IN_PICTURE
    return lambda: sampler(setup.streams.samples(count))
