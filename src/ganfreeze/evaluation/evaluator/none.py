"""No evaluation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.evaluation.evaluator.base import Evaluator, PreparedEvaluator
from ganfreeze.types import Metrics


@dataclass(frozen=True)
class NoEvaluator(Evaluator):
    """An evaluator that measures nothing, for runs that only train."""

    def check(self, dataset: Dataset) -> None:
        """Accept any data set."""

    def metric_names(self) -> Sequence[str]:
        return ()

    def prepare(self, dataset: Dataset) -> PreparedEvaluator:
        return PreparedEvaluator("none", 0, 0, {}, {}, _nothing)


def _nothing(batches: Iterable[Examples]) -> Metrics:
    return {}
