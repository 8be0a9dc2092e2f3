"""Figures of data sets whose modes are known: which of them a generator found, and how evenly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def nearest_modes(
    points: NDArray[Any], centres: NDArray[np.float64], deviation: float, *, within: float = 3.0
) -> NDArray[np.int64]:
    """How many points (n, dimensions) of high quality each mode (modes, dimensions) holds, (modes,).

    A point belongs to the nearest mode, and is of high quality where it is nearer than `within` standard deviations.

    Source: Srivastava et al. 2017 (VEEGAN), section 4; Lin et al. 2018 (PacGAN), section 4.1.
    """
    distances = np.linalg.norm(points[:, None].astype(np.float64) - centres, axis=2)
    nearest = distances.argmin(1)
    good = distances[np.arange(len(points)), nearest] < within * deviation
    return np.bincount(nearest[good], minlength=len(centres))


def recovered(counts: NDArray[np.int64]) -> int:
    """How many modes hold a sample, from 0 to all."""
    return int(np.count_nonzero(counts))


def divergence(counts: NDArray[np.int64]) -> float:
    """KL(p || uniform) in nats, p being the shares of the modes: log(modes) - H(p), from 0 to log(modes); NaN where no
    mode holds a sample.

    The generator's distribution comes first, so it is the "reverse" KL divergence, and finite where modes are missed.

    Source: Lin et al. 2018 (PacGAN), sections 4.1 and 4.2.
    """
    if not counts.any():
        return np.nan
    shares = counts[counts > 0] / counts.sum()
    return float(np.log(len(counts)) + (shares * np.log(shares)).sum())
