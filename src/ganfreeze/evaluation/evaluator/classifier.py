"""Metrics by a small network that is trained on the data set itself.

They are not the metrics of Inception-v3, and their names begin with `classifier/` to show it. They compare runs on one
data set, with one network: its hash is in the card.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from ganfreeze.data.dataset.base import Dataset
from ganfreeze.evaluation.extractor import classifier, rotations, small_network
from ganfreeze.evaluation.extractor.base import Extractor
from ganfreeze.evaluation.feature_evaluator import FeatureEvaluator, Metric
from ganfreeze.types import Count

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Classifier(FeatureEvaluator):
    """An evaluator on the 128 penultimate features of a small CNN, and its logits.

    The CNN is trained once, on the training split, and cached. If the labels tell two classes apart or more, it learns
    them. Otherwise it learns to predict rotations, which needs no labels, and there is no `inception_score`: the score
    is that of a classifier's probabilities, and there are no classes. The card says so, and which network it is, so
    that metrics of both kinds are not compared.

    Source: Heusel et al. 2017, section 4 (FID); Salimans et al. 2016, section 4 (Inception Score); Gidaris et al. 2018
    (rotations).
    """

    NAME = "classifier"

    epochs: Count = 4

    def _check(self, dataset: Dataset) -> None:
        small_network.check(self.NAME, dataset)

    def _left_out(self, dataset: Dataset) -> Mapping[Metric, str]:
        return {} if dataset.has_classes else {"inception_score": f"{_lack(dataset)}, and it needs classes"}

    def _extractor(self, dataset: Dataset) -> Extractor:
        if dataset.has_classes:
            return classifier.extractor(dataset, cache=self.cache, epochs=self.epochs)
        why = f"learned by predicting rotations, because {_lack(dataset)}"
        _log.info("evaluator=%s: its features are %s; inception_score needs classes, and is left out", self.NAME, why)
        extractor = rotations.extractor(dataset, cache=self.cache, epochs=self.epochs)
        return extractor._replace(identity={**extractor.identity, "features": why})


def _lack(dataset: Dataset) -> str:
    return f"dataset={dataset.name} has {'no labels' if dataset.classes is None else 'one class'}"
