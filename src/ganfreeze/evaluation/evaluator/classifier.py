"""Metrics by a small classifier of the data set itself.

They are not the metrics of Inception-v3, and their names begin with `classifier/` to show it. They compare runs on one
data set, with one classifier: its hash is in the card.
"""

from dataclasses import dataclass

from ganfreeze.data.dataset.base import Dataset
from ganfreeze.evaluation.extractor import classifier
from ganfreeze.evaluation.extractor.base import Extractor
from ganfreeze.evaluation.feature_evaluator import FeatureEvaluator
from ganfreeze.types import Count


@dataclass(frozen=True, kw_only=True)
class Classifier(FeatureEvaluator):
    """An evaluator on the 128 penultimate features of a small CNN, and its logits.

    The CNN is trained once, on the training split with its labels, and cached.

    Source: Heusel et al. 2017, section 4 (FID); Salimans et al. 2016, section 4 (Inception Score).
    """

    NAME = "classifier"

    epochs: Count = 4

    def _check(self, dataset: Dataset) -> None:
        classifier.check(self.NAME, dataset)

    def _extractor(self, dataset: Dataset) -> Extractor:
        return classifier.extractor(dataset, cache=self.cache, epochs=self.epochs)
