"""Metrics from nearest neighbours: precision and recall, density and coverage, memorization."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Distances come from squares that are subtracted. So equal vectors may be this far apart, as a share of the length of
# the longest vector.
_ROUNDING = 1e-7
_PART = 10000  # examples in double precision at a time

Distances = NDArray[np.float64]


class Manifold:
    """Examples by their features (n, d); each reaches as far as its `neighbours`-th nearest neighbour."""

    def __init__(self, features: NDArray[Any], neighbours: int) -> None:
        self.features, self.neighbours = features.astype(np.float64), neighbours

    @cached_property
    def reach(self) -> Distances:
        """The distance that each example reaches, (n,)."""

        def farthest(distances: Distances) -> Distances:
            return np.partition(distances, self.neighbours, axis=1)[:, self.neighbours]  # the nearest is itself

        return _over_distances(farthest, self.features, self.features)

    def count_reaching(self, points: NDArray[Any]) -> NDArray[np.int64]:
        """Return how many examples reach each of the points (m, d), (m,). A point at just that distance is reached."""
        slack = _ROUNDING * np.sqrt(np.square(self.features).sum(1).max())

        def count(distances: Distances) -> NDArray[np.int64]:
            return (distances <= self.reach + slack).sum(1)

        return _over_distances(count, points.astype(np.float64), self.features)


def precision_recall(real: Manifold, fake: Manifold) -> Mapping[str, float]:
    """Return `precision` and `recall`, each from 0 to 1.

    Precision is the share of fakes that a real example reaches. Recall is the share of real examples that a fake
    reaches.

    Source: Kynkaanniemi et al. 2019, equations 1 and 2, with 3 neighbours.
    """
    return {
        "precision": float(np.mean(real.count_reaching(fake.features) > 0)),
        "recall": float(np.mean(fake.count_reaching(real.features) > 0)),
    }


def density_coverage(real: Manifold, fake: NDArray[Any]) -> Mapping[str, float]:
    """Return `density` and `coverage` of fakes (m, d).

    Density is the mean number of real examples that reach a fake, divided by the number that is expected if real
    examples and fakes have the same distribution: 0 or more, and 1 for the same distribution. Coverage is the share of
    real examples that reach a fake, from 0 to 1.

    An outlier among the real examples reaches far. It raises the precision, but hardly the density. An outlier among
    the fakes raises the recall, but not the coverage.

    Source: Naeem et al. 2020, section 3, with 5 neighbours.
    """
    return {
        "density": float(real.count_reaching(fake).mean() / real.neighbours),
        "coverage": float(np.mean(nearest(real.features, fake) <= real.reach)),
    }


def memorization(held_out: Distances, fake: Distances) -> Mapping[str, float]:
    """Return whether fakes are nearer to the training examples than held-out examples are.

    Both arguments are distances to the nearest training example: `held_out` (n,) of held-out examples, `fake` (m,) of
    fakes. `memorization` is the chance that a fake is nearer than a held-out example; ties count half. It is 1/2 if
    nothing was memorized, towards 1 if fakes are copies, and below 1/2 if fakes are far from all real examples.
    `nearest_train` and `nearest_train_held_out` are the mean distances of fakes and of held-out examples.

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
    """Return the distance from each of the points (m, d) to the nearest of the examples (n, d), (m,)."""

    def smallest(distances: Distances) -> Distances:
        return distances.min(1)

    points = points.astype(np.float64)
    parts = (examples[start : start + _PART].astype(np.float64) for start in range(0, len(examples), _PART))
    return np.min([_over_distances(smallest, points, part) for part in parts], axis=0)


def _over_distances(reduce: Callable[[Distances], NDArray[Any]], points: Any, examples: Any) -> NDArray[Any]:
    """Return the results of `reduce` on the distances of the points (m, d) to the examples (n, d).

    `reduce` takes the distances (part of m, n) of a part of the points at a time, so that memory has a bound. All
    metrics use this one routine, so that equal pairs have equal distances.
    """
    from sklearn.metrics import pairwise_distances_chunked

    def reduce_part(distances: Distances, _: int) -> NDArray[Any]:  # scikit-learn also passes the part's first row
        return reduce(distances)

    return np.concatenate(list(pairwise_distances_chunked(points, examples, reduce_func=reduce_part)))
