"""No evaluation."""

from collections.abc import Iterable
from dataclasses import dataclass

from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.evaluation.evaluator.base import Evaluation, Evaluator
from ganfreeze.types import Scalars


@dataclass(frozen=True)
class Nothing(Evaluator):
    """Measures nothing, for runs that only train."""

    def check(self, dataset: Dataset) -> None:
        """Any data set will do."""

    def prepare(self, dataset: Dataset) -> Evaluation:
        return Evaluation("none", 0, 0, {}, {}, _nothing)


def _nothing(batches: Iterable[Examples]) -> Scalars:
    return {}
