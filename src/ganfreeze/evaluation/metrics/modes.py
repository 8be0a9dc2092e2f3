"""Metrics of data sets whose modes are known: how many modes a generator found, and how evenly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def count_by_mode(
    points: NDArray[Any], centres: NDArray[np.float64], deviation: float, *, within: float = 3.0
) -> NDArray[np.int64]:
    """Return how many points (n, dimensions) of high quality each mode has, (modes,).

    A point belongs to the mode with the nearest of the `centres` (modes, dimensions). It is of high quality if it is
    nearer than `within` standard deviations.

    Source: Srivastava et al. 2017 (VEEGAN), section 4; Lin et al. 2018 (PacGAN), section 4.1.
    """
    distances = np.linalg.norm(points[:, None].astype(np.float64) - centres, axis=2)
    nearest = distances.argmin(1)
    high_quality = distances[np.arange(len(points)), nearest] < within * deviation
    return np.bincount(nearest[high_quality], minlength=len(centres))


def recovered(counts: NDArray[np.int64]) -> int:
    """Return how many modes have a sample, from 0 to all; `counts` (modes,) are the samples of each mode."""
    return int(np.count_nonzero(counts))


def divergence(counts: NDArray[np.int64]) -> float:
    """Return KL(p || uniform) in nats, which is log(modes) - H(p), from 0 to log(modes).

    p is each mode's share of the samples, whose `counts` are (modes,). The divergence is NaN if no mode has a sample.
    The generator's distribution comes first, so this is the "reverse" KL divergence. It is finite even if modes are
    missed.

    Source: Lin et al. 2018 (PacGAN), sections 4.1 and 4.2.
    """
    if not counts.any():
        return np.nan
    shares = counts[counts > 0] / counts.sum()
    return float(np.log(len(counts)) + (shares * np.log(shares)).sum())
