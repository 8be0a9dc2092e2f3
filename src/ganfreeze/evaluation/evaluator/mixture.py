"""Figures of 2-D mixtures, whose modes are known."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.evaluator.base import Evaluator, PreparedEvaluator, protocol
from ganfreeze.evaluation.metrics import modes
from ganfreeze.types import Count, Index, Metrics


@dataclass(frozen=True, kw_only=True)
class Mixture(Evaluator):
    """`mixture/modes`, how many modes hold a sample of high quality; `mixture/high_quality`, the share of samples that
    are; `mixture/reverse_kl`, KL(samples || uniform) in nats over the modes of those. There is nothing to learn and no
    image to compare with: the centres and the deviation are the data set's own.

    Source: Lin et al. 2018 (PacGAN), section 4.1, with 2,500 samples.
    """

    samples: Count = 2500
    seed: Index = 0

    def check(self, dataset: Dataset) -> None:
        if dataset.mixture is None:
            raise BadInput(
                f"evaluator=mixture needs a data set whose modes are known: dataset=ring or dataset=grid, not "
                f"dataset={dataset.name}. Choose evaluator=classifier or evaluator=none."
            )

    def prepare(self, dataset: Dataset) -> PreparedEvaluator:
        truth = dataset.mixture
        assert truth, "check() refuses data without one"

        def evaluate(batches: Iterable[Examples]) -> Metrics:
            counts, samples = np.zeros(len(truth.centres), np.int64), 0
            for points in batches:
                counts += modes.nearest_modes(points, truth.centres, truth.deviation)
                samples += len(points)
            return {
                "modes": modes.recovered(counts),
                "high_quality": float(counts.sum() / samples),
                "reverse_kl": modes.divergence(counts),
            }

        identity = {"extractor": "distance to the centres", "weights": "none", "resize": "none"}
        card = protocol(dataset, split="none", samples=self.samples, **identity)
        return PreparedEvaluator("mixture", self.samples, self.seed, card, {}, evaluate)
