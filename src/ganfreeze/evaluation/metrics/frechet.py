"""The Frechet distance between Gaussians, from moments that are gathered batch by batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """What a set of features (n, d) is to a Gaussian: their count, their mean (d,), and their scatter (d, d), the sum
    of (x - mean)(x - mean)^T; float64.

    Two of them add up to those of both sets, in memory of the order d^2 whatever n, and without the cancellation of
    sums of squares. Source: Chan, Golub, LeVeque 1983.
    """

    count: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[Any]) -> Self:
        """The moments of features (n, d), n >= 1."""
        exact = features.astype(np.float64)
        mean = exact.mean(0)
        exact -= mean
        return cls(len(exact), mean, exact.T @ exact)

    def __add__(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        apart = other.mean - self.mean
        scatter = np.outer(apart * (self.count * other.count / count), apart)
        scatter += self.scatter
        scatter += other.scatter
        return Moments(count, self.mean + apart * (other.count / count), scatter)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The unbiased covariance (d, d), for a count of 2 or more."""
        return self.scatter / (self.count - 1)


class RunningMoments:
    """The moments of features that come batch by batch.

    They are taken in by blocks, twice as many as they have dimensions: of small batches the sums of (d, d) matrices
    would take longer than the products. So memory is of the order d^2, whatever the number of features.
    """

    def __init__(self) -> None:
        self._total: Moments | None = None
        self._waiting: list[NDArray[Any]] = []
        self._count = 0

    def update(self, features: NDArray[Any]) -> None:
        """Take features (n, d), n >= 1."""
        self._waiting.append(features)
        self._count += len(features)
        if self._count >= 2 * features.shape[1]:
            self._total = self.moments()
            self._waiting, self._count = [], 0

    def moments(self) -> Moments:
        """Those of all that came, which must be one or more."""
        if not self._waiting:
            assert self._total, "something came"
            return self._total
        block = Moments.of(np.concatenate(self._waiting))
        return self._total + block if self._total else block


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian to measure distances from, with the part of the work that is the same for all of them done.

    `root` (d, r) is a root of the covariance, root root^T, of full rank: of directions in which nothing varies there is
    no column. `trace` is the covariance's, `rank` the largest that it can have, count - 1.
    """

    mean: NDArray[np.float64]
    root: NDArray[np.float64]
    trace: float
    rank: int

    @classmethod
    def of(cls, moments: Moments) -> Self:
        """The Gaussian with these moments."""
        values, vectors = np.linalg.eigh(moments.covariance)
        kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
        root = vectors[:, kept] * np.sqrt(values[kept])
        return cls(moments.mean, root, float(np.trace(moments.covariance)), moments.count - 1)

    def distance(self, other: Moments) -> float:
        """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), the squared 2-Wasserstein distance; 0 or more, NaN where the
        moments are no numbers.

        C1 C2 has the eigenvalues of root^T C2 root, which is symmetric: the trace of its root is the sum of their
        roots. Of those no more than the ranks allow are kept, so that with fewer samples than dimensions rounding does
        not enter by the null space, where a root makes 1e-8 of 1e-16. What remains of that where features are constant,
        or nearly, is some 1e-8 of the traces.

        Source: Dowson & Landau 1982; Heusel et al. 2017, equation 6.
        """
        covariance = other.covariance
        if not np.isfinite(covariance).all():
            return np.nan
        eigenvalues = np.linalg.eigvalsh(self.root.T @ covariance @ self.root).clip(0)
        shared = eigenvalues[-min(self.rank, other.count - 1) :]
        spread = self.trace + np.trace(covariance) - 2 * np.sqrt(shared).sum()
        return float(np.maximum(np.square(self.mean - other.mean).sum() + spread, 0))

    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        """What it is made of, by name; `Gaussian.read` takes it."""
        return {"mean": self.mean, "root": self.root, "numbers": np.array([self.trace, self.rank])}

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Self:
        """What `arrays` gave."""
        trace, rank = arrays["numbers"]
        return cls(arrays["mean"], arrays["root"], float(trace), int(rank))
