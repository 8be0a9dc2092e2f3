"""`Evaluator`, the base of this folder's options, and `PreparedEvaluator`, one that is ready for a data set."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.evaluation.protocol_card import Card
from ganfreeze.types import Metrics

_BATCH = 500
_GLANCE_SAMPLES = 128


class PreparedEvaluator(NamedTuple):
    """An evaluator that is ready for one data set.

    `name` begins the full names of its metrics. It needs `samples` samples, drawn with `seed`. `card` is the protocol
    without the seeds and the average, which only the caller knows. `facts` has what else is known of its extractor.
    `evaluate` takes the samples batch by batch and returns the metrics under their bare names: "fid". It keeps no more
    of the samples than a metric needs. `glance` prepares an evaluator of few samples, to be used often during training;
    its metrics have names and a card of their own, because they depend on the number of samples.
    """

    name: str
    samples: int
    seed: int
    card: Card
    facts: Mapping[str, Any]
    evaluate: Callable[[Iterable[Examples]], Metrics]
    glance: "Callable[[], PreparedEvaluator | None]" = lambda: None


class Evaluator(ABC):
    """The base of evaluators, which compute metrics from samples, by a named feature extractor or by known modes.

    Options that several of them have:

    - `cache`: the folder where trained classifiers, and features of real images, are kept.
    - `samples`: how many samples are drawn for an evaluation.
    - `seed`: the number that the latent vectors of the samples are drawn from.
    - `epochs`: how many epochs the classifier is trained for."""

    @abstractmethod
    def check(self, dataset: Dataset) -> None:
        """Raise BadInput if this data set cannot be evaluated."""

    @abstractmethod
    def metric_names(self) -> Sequence[str]:
        """Return the full names of the metrics, such as "classifier/fid"."""

    @abstractmethod
    def prepare(self, dataset: Dataset) -> PreparedEvaluator:
        """Make the extractor and the reference statistics, or read them from the cache."""


def glance_samples(samples: int) -> int:
    """Return how many samples a glance takes, where an evaluation takes `samples`."""
    return min(samples, _GLANCE_SAMPLES)


def of_held_out(dataset: Dataset, samples: int, evaluate: Callable[[Iterable[Examples]], Metrics]) -> Metrics:
    """Return the metrics of real examples of the test split, at most `samples`, and `samples`, their number."""
    examples = dataset.test.examples[:samples]
    batches = (examples[start : start + _BATCH] for start in range(0, len(examples), _BATCH))
    return {**evaluate(batches), "samples": len(examples)}


def protocol(dataset: Dataset, **fields: Any) -> Card:
    """Return a card of these fields, and of those that follow from the data set."""
    quantisation = "uint8" if dataset.train.examples.dtype == np.uint8 else "none"
    return {"dataset": f"{dataset.name} {dataset.digest[:16]}", "quantisation": quantisation, **fields}
