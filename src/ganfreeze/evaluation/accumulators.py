"""Accumulators: each computes a metric, or a few, from samples that come batch by batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Images
from ganfreeze.evaluation import image_metrics
from ganfreeze.evaluation.extractor.base import Features
from ganfreeze.evaluation.metrics.frechet import Gaussian, RunningMoments
from ganfreeze.evaluation.metrics.inception_score import InceptionScore
from ganfreeze.types import Metrics


class Accumulator(ABC):
    """A metric, or a few, of samples that come batch by batch."""

    @abstractmethod
    def update(self, images: Images, features: Features) -> None:
        """Add a batch of samples (n, height, width, channels) and their features."""

    @abstractmethod
    def result(self) -> Metrics:
        """Return the metrics of all samples so far, by name."""


class FrechetAccumulator(Accumulator):
    """The Frechet distance to a Gaussian."""

    def __init__(self, gaussian: Gaussian) -> None:
        self._gaussian, self._running = gaussian, RunningMoments()

    def update(self, images: Images, features: Features) -> None:
        self._running.update(features.vectors)

    def result(self) -> Metrics:
        return {"fid": self._gaussian.distance(self._running.moments())}


class InceptionScoreAccumulator(Accumulator):
    """The Inception Score of `samples` samples, in `splits` parts, and the standard deviation of the parts' scores.

    The deviation is that of a population, as in the code of Salimans et al. 2016.
    """

    def __init__(self, samples: int, splits: int) -> None:
        self._score = InceptionScore(samples, splits)

    def update(self, images: Images, features: Features) -> None:
        self._score.update(features.logits)

    def result(self) -> Metrics:
        scores = self._score.scores()
        deviation = {"inception_score_deviation": float(scores.std())} if len(scores) > 1 else {}
        return {"inception_score": float(scores.mean()), **deviation}


class FeatureAccumulator(Accumulator):
    """The metrics that need the samples' features side by side.

    The features of the first `count` samples are kept. Each function of `metrics` takes them and returns its metrics.
    """

    def __init__(self, count: int, metrics: Sequence[Callable[[NDArray[np.float32]], Metrics]]) -> None:
        self._first, self._metrics = FirstRows(count), metrics

    def update(self, images: Images, features: Features) -> None:
        self._first.add(features.vectors)

    def result(self) -> Metrics:
        fake = self._first.array()
        return {name: value for metric in self._metrics for name, value in metric(fake).items()}


class SimilarityAccumulator(Accumulator):
    """The mean MS-SSIM of pairs of samples: the first and the second, the third and the fourth of a batch."""

    def __init__(self) -> None:
        self._total, self._pairs = 0.0, 0

    def update(self, images: Images, features: Features) -> None:
        pairs = len(images) // 2
        if pairs:
            self._total += image_metrics.ms_ssim(images[: 2 * pairs : 2], images[1 : 2 * pairs : 2]).sum()
            self._pairs += pairs

    def result(self) -> Metrics:
        return {"ms_ssim": float(self._total / self._pairs)}


class SlicedWassersteinAccumulator(Accumulator):
    """The sliced Wasserstein distance between the first `count` samples and as many real images.

    `real(count)` returns `count` real images, or fewer if there are no more.
    """

    def __init__(self, count: int, real: Callable[[int], Images]) -> None:
        self._first, self._real = FirstRows(count), real

    def update(self, images: Images, features: Features) -> None:
        self._first.add(images)

    def result(self) -> Metrics:
        fake = self._first.array()
        real = self._real(len(fake))
        return {"sliced_wasserstein": image_metrics.sliced_wasserstein(real, fake[: len(real)])}


class FirstRows:
    """The first `count` rows of arrays that come one after the other."""

    def __init__(self, count: int) -> None:
        self._parts: list[NDArray[Any]] = []
        self._missing = count

    def add(self, rows: NDArray[Any]) -> None:
        """Keep as many of these rows as are still missing."""
        if self._missing:
            self._parts.append(rows[: self._missing])
            self._missing -= len(self._parts[-1])

    def array(self) -> NDArray[Any]:
        """Return the rows kept so far, concatenated."""
        return np.concatenate(self._parts)
