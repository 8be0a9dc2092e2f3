"""The kernel distance: an unbiased metric, with its standard error."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class KernelDistance(NamedTuple):
    """The squared maximum mean discrepancy and its standard error, which is NaN if there is only one block."""

    value: float
    standard_error: float


def kernel_distance(real: NDArray[Any], fake: NDArray[Any], *, blocks: int) -> KernelDistance:
    """Return MMD^2 of features (n, d) and (m, d), both in random order, with the kernel (x.y / d + 1)^3.

    It is unbiased, so it may be below 0. Both sets are cut into `blocks` blocks, each of 2 rows or more. The value is
    the mean over the blocks, and the standard error comes from their spread. On Inception's features it is the KID.

    Source: Binkowski et al. 2018, equation 4 and section 3.1; Zaremba et al. 2013 (blocks). TF-GAN's
    `kernel_classifier_distance_and_std_from_activations` has such blocks too, with the smaller ones first.
    """
    pairs = zip(np.array_split(real, blocks), np.array_split(fake, blocks), strict=True)
    values = np.array([_unbiased(x.astype(np.float64), y.astype(np.float64)) for x, y in pairs])
    error = float(values.std(ddof=1) / np.sqrt(blocks)) if blocks > 1 else np.nan
    return KernelDistance(float(values.mean()), error)


def _unbiased(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return equation 4: the mean kernel within x, plus that within y, minus twice that between x and y.

    The means within x and within y leave out the diagonal.
    """
    from sklearn.metrics.pairwise import polynomial_kernel

    def within(z: NDArray[np.float64]) -> float:
        kernel = polynomial_kernel(z, degree=3, coef0=1)
        return (kernel.sum() - np.trace(kernel)) / (len(z) * (len(z) - 1))

    return float(within(x) + within(y) - 2 * polynomial_kernel(x, y, degree=3, coef0=1).mean())
