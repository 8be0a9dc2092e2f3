"""Metrics of 2-D mixtures, whose modes are known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.evaluator.base import (
    Evaluator,
    PreparedEvaluator,
    glance_samples,
    of_held_out,
    protocol,
)
from ganfreeze.evaluation.metrics import modes
from ganfreeze.evaluation.protocol_card import GLANCE, HELD_OUT
from ganfreeze.types import Count, Index, Metrics


@dataclass(frozen=True, kw_only=True)
class Mixture(Evaluator):
    """An evaluator that counts the modes of a mixture of Gaussians: of `ring` or `grid`.

    `mixture/modes` is the number of modes that have a sample of high quality. `mixture/high_quality` is the share of
    samples of high quality. `mixture/reverse_kl` is KL(samples || uniform) in nats over the modes of those samples. It
    trains nothing and compares no images: the centres and the deviation are the data set's own.

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

    def metric_names(self) -> Sequence[str]:
        return "mixture/modes", "mixture/high_quality", "mixture/reverse_kl"

    def prepare(self, dataset: Dataset) -> PreparedEvaluator:
        mixture = dataset.mixture
        assert mixture, "check() refuses data without a mixture"

        def evaluate(batches: Iterable[Examples]) -> Metrics:
            counts, samples = np.zeros(len(mixture.centres), np.int64), 0
            for points in batches:
                counts += modes.count_by_mode(points, mixture.centres, mixture.deviation)
                samples += len(points)
            return {
                "modes": modes.recovered(counts),
                "high_quality": float(counts.sum() / samples),
                "reverse_kl": modes.divergence(counts),
            }

        identity = {"extractor": "distance to the centres", "weights": "none", "resize": "none"}

        def prepared(name: str, samples: int) -> PreparedEvaluator:
            real = {HELD_OUT: of_held_out(dataset, samples, evaluate)}
            card = protocol(dataset, split="none", samples=samples, **identity, **real)
            return PreparedEvaluator(name, samples, self.seed, card, {}, evaluate)

        glance = partial(prepared, f"mixture{GLANCE}", glance_samples(self.samples))
        return prepared("mixture", self.samples)._replace(glance=glance)
