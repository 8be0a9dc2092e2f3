"""What turns samples into numbers: feature extractors, evaluators, and what they are once they are ready."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.evaluation.protocol_card import Card
from ganfreeze.types import Metrics


class PreparedEvaluator(NamedTuple):
    """An evaluator that is ready for one data set.

    `name` is what the figures' names begin with; `samples` how many it wants, drawn with `seed`; `card` the protocol,
    but for what only the caller knows: the seeds and the average; `evaluate` takes the samples batch by batch, holds on
    to no more of them than a figure needs, and returns the figures by their bare names.
    """

    name: str
    samples: int
    seed: int
    card: Card
    facts: Mapping[str, Any]
    evaluate: Callable[[Iterable[Examples]], Metrics]


class Evaluator(ABC):
    """What a file in `evaluator/` holds: numbers from samples, by a named feature extractor or a known truth."""

    @abstractmethod
    def check(self, dataset: Dataset) -> None:
        """Raise BadInput where this data set cannot be evaluated."""

    @abstractmethod
    def prepare(self, dataset: Dataset) -> PreparedEvaluator:
        """Make the extractor and the reference statistics, or take them from the cache."""


def protocol(dataset: Dataset, **fields: Any) -> Card:
    """A card with what the data set tells."""
    quantisation = "uint8" if dataset.train.images.dtype == np.uint8 else "none"
    return {"dataset": f"{dataset.name} {dataset.digest[:16]}", "quantisation": quantisation, **fields}
