"""No evaluation."""

from dataclasses import dataclass

from ganfreeze.data import Dataset, Images
from ganfreeze.types import Evaluator, Extractor, Scalars


@dataclass(frozen=True)
class Nothing(Evaluator):
    """Measures nothing, for runs that only train."""

    def check(self, dataset: Dataset) -> None:
        """Any data set will do."""

    def prepare(self, dataset: Dataset) -> Extractor:
        return Extractor(1, {"extractor": "none"}, _nothing)


def _nothing(samples: Images) -> Scalars:
    return {}
