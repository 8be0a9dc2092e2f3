"""The Frechet distance between Gaussians, from moments that are summed batch by batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """The count, the mean (d,) and the scatter (d, d) of features (n, d), in float64.

    The scatter is the sum of (x - mean)(x - mean)^T. The sum of two moments is the moments of both sets together. It
    takes memory of the order d^2, whatever n, and avoids the cancellation of sums of squares.

    Source: Chan, Golub, LeVeque 1983.
    """

    count: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[Any]) -> Self:
        """Return the moments of features (n, d), n >= 1."""
        exact = features.astype(np.float64)
        mean = exact.mean(0)
        exact -= mean
        return cls(len(exact), mean, exact.T @ exact)

    def __add__(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        difference = other.mean - self.mean
        scatter = np.outer(difference * (self.count * other.count / count), difference)
        scatter += self.scatter
        scatter += other.scatter
        return Moments(count, self.mean + difference * (other.count / count), scatter)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The unbiased covariance (d, d), for a count of 2 or more."""
        return self.scatter / (self.count - 1)


class RunningMoments:
    """The moments of features that come batch by batch.

    Features wait until a block has 2 d rows or more, and the block is then added. With small batches, the sums of
    (d, d) matrices would take longer than the products. Memory is of the order d^2, whatever the number of features.
    """

    def __init__(self) -> None:
        self._total: Moments | None = None
        self._waiting: list[NDArray[Any]] = []
        self._count = 0

    def update(self, features: NDArray[Any]) -> None:
        """Add features (n, d), n >= 1."""
        self._waiting.append(features)
        self._count += len(features)
        if self._count >= 2 * features.shape[1]:
            self._total = self.moments()
            self._waiting, self._count = [], 0

    def moments(self) -> Moments:
        """Return the moments of all features so far; at least one row."""
        if not self._waiting:
            assert self._total, "update() was not called yet"
            return self._total
        block = Moments.of(np.concatenate(self._waiting))
        return self._total + block if self._total else block


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian that distances are measured from, with the work that all distances share already done.

    `root` (d, r) is a root of the covariance, root root^T, of full rank: it has no column for a direction in which
    nothing varies. `trace` is the trace of the covariance, and `rank` the largest rank that it can have, count - 1.
    """

    mean: NDArray[np.float64]
    root: NDArray[np.float64]
    trace: float
    rank: int

    @classmethod
    def of(cls, moments: Moments) -> Self:
        """Return the Gaussian with these moments."""
        values, vectors = np.linalg.eigh(moments.covariance)
        positive = values > values[-1] * len(values) * np.finfo(np.float64).eps
        root = vectors[:, positive] * np.sqrt(values[positive])
        return cls(moments.mean, root, float(np.trace(moments.covariance)), moments.count - 1)

    def distance(self, other: Moments) -> float:
        """Return the squared 2-Wasserstein distance, |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); 0 or more.

        It is NaN if the other moments are not finite.

        C1 C2 has the eigenvalues of root^T C2 root, which is symmetric. So the trace of (C1 C2)^(1/2) is the sum of the
        square roots of these eigenvalues. Only as many of them are used as the ranks allow. The others are rounding
        errors if there are fewer samples than dimensions, and a square root makes 1e-8 of 1e-16. If features are
        constant or nearly constant, an error of some 1e-8 of the traces remains.

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
        """Return the Gaussian as arrays by name, from which `Gaussian.read` restores it."""
        return {"mean": self.mean, "root": self.root, "numbers": np.array([self.trace, self.rank])}

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Self:
        """Return the Gaussian that `arrays` was called on."""
        trace, rank = arrays["numbers"]
        return cls(arrays["mean"], arrays["root"], float(trace), int(rank))
