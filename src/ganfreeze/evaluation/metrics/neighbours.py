"""Figures that nearest neighbours tell: precision and recall, density and coverage, memorization."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-7  # of the longest vector: how far apart equal ones may come out, squares being subtracted
_PART = 10000  # examples in double precision at a time

Distances = NDArray[np.float64]


class Manifold:
    """Examples by their features (n, d), each of which reaches as far as its `neighbours`-th nearest of the others."""

    def __init__(self, features: NDArray[Any], neighbours: int) -> None:
        self.features, self.neighbours = features.astype(np.float64), neighbours

    @cached_property
    def reach(self) -> Distances:
        """How far each reaches, (n,)."""

        def farthest(distances: Distances, _: int) -> Distances:
            return np.partition(distances, self.neighbours, axis=1)[:, self.neighbours]  # the nearest is itself

        return _over_distances(farthest, self.features, self.features)

    def reaching(self, points: NDArray[Any]) -> NDArray[np.int64]:
        """How many examples reach each of the points (m, d), (m,); a reach is a closed ball."""
        slack = _ROUNDING * np.sqrt(np.square(self.features).sum(1).max())

        def count(distances: Distances, _: int) -> NDArray[np.int64]:
            return (distances <= self.reach + slack).sum(1)

        return _over_distances(count, points.astype(np.float64), self.features)


def precision_recall(real: Manifold, fake: Manifold) -> Mapping[str, float]:
    """`precision`, the share of fakes that lie within the reach of a real example, and `recall`, the share of real ones
    within the reach of a fake; each from 0 to 1.

    Source: Kynkaanniemi et al. 2019, equations 1 and 2, with 3 neighbours.
    """
    return {
        "precision": float(np.mean(real.reaching(fake.features) > 0)),
        "recall": float(np.mean(fake.reaching(real.features) > 0)),
    }


def density_coverage(real: Manifold, fake: NDArray[Any]) -> Mapping[str, float]:
    """`density`, how many real examples reach a fake, by how many are expected to where both are one distribution: 0 or
    more, 1 there; and `coverage`, the share of real examples that reach a fake (m, d), from 0 to 1.

    One outlier among the real examples, which reaches far, raises precision but hardly the density; among the fakes it
    raises recall but not the coverage.

    Source: Naeem et al. 2020, section 3, with 5 neighbours.
    """
    return {
        "density": float(real.reaching(fake).mean() / real.neighbours),
        "coverage": float(np.mean(nearest(real.features, fake) <= real.reach)),
    }


def memorization(held_out: Distances, fake: Distances) -> Mapping[str, float]:
    """Are fakes nearer to the training examples than examples are that were held out? Of the distances to the nearest
    training example of held-out examples (n,) and of fakes (m,):

    `memorization` is the chance that a fake is nearer than a held-out example (ties count half): 1/2 where nothing was
    memorized, towards 1 where fakes are copies, and below 1/2 where fakes are far from all that is real;
    `nearest_train` and `nearest_train_held_out` are the mean distances.

    Source: Meehan, Chaudhuri, Dasgupta 2020, section 3.1: it is the U of their Mann-Whitney test, as a share.
    """
    from scipy.stats import mannwhitneyu

    nearer = mannwhitneyu(held_out, fake).statistic / (len(held_out) * len(fake))
    return {
        "memorization": float(nearer),
        "nearest_train": float(fake.mean()),
        "nearest_train_held_out": float(held_out.mean()),
    }


def nearest(points: NDArray[Any], examples: NDArray[Any]) -> Distances:
    """How far the nearest of the examples (n, d) is from each of the points (m, d), (m,)."""

    def least(distances: Distances, _: int) -> Distances:
        return distances.min(1)

    points = points.astype(np.float64)
    parts = (examples[start : start + _PART].astype(np.float64) for start in range(0, len(examples), _PART))
    return np.min([_over_distances(least, points, part) for part in parts], axis=0)


def _over_distances(reduce: Callable[[Distances, int], NDArray[Any]], points: Any, examples: Any) -> NDArray[Any]:
    """`reduce` over the distances (part of m, n) of the points to the examples, a part of them at a time, so that
    memory has a bound. It is one routine for all, so that equal pairs give equal distances."""
    from sklearn.metrics import pairwise_distances_chunked

    return np.concatenate(list(pairwise_distances_chunked(points, examples, reduce_func=reduce)))
