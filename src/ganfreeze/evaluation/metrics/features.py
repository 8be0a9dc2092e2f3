"""Metrics of two sets of feature vectors, or of logits, as arrays: checked, then measured by the other files here."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.errors import BadInput
from ganfreeze.evaluation.metrics import kernel
from ganfreeze.evaluation.metrics import neighbours as nearest
from ganfreeze.evaluation.metrics.frechet import Gaussian, Moments
from ganfreeze.evaluation.metrics.inception_score import InceptionScore
from ganfreeze.evaluation.metrics.kernel import KernelDistance
from ganfreeze.evaluation.metrics.neighbours import Manifold


def frechet_distance(real: NDArray[Any], fake: NDArray[Any]) -> float:
    """Return the Frechet distance between the Gaussians of features (n, d) and (m, d), n and m >= 2; 0 or more.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with unbiased covariances. On Inception's features it is the FID.

    Raises:
        BadInput: the arrays have other shapes, or values that are not finite.

    Source: Dowson & Landau 1982; Heusel et al. 2017, equation 6.
    """
    real, fake = _pair(real, fake, least=2)
    return Gaussian.of(Moments.of(real)).distance(Moments.of(fake))


def inception_score(logits: NDArray[Any], *, splits: int = 1) -> NDArray[np.float64]:
    """Return the Inception Score of logits (n, classes) in each of `splits` parts, (splits,); from 1 to classes.

    Raises:
        BadInput: the array has another shape, values that are not finite, or fewer rows than parts.

    Source: Salimans et al. 2016, section 4.
    """
    logits = _features("logits", logits, least=max(1, _count("splits", splits)))
    score = InceptionScore(len(logits), splits)
    score.update(logits)
    return score.scores()


def kernel_distance(real: NDArray[Any], fake: NDArray[Any], *, blocks: int = 1) -> KernelDistance:
    """Return MMD^2 of features (n, d) and (m, d) with the kernel (x.y / d + 1)^3, and its standard error.

    It is unbiased, so it may be below 0. Rows are in random order, and cut into `blocks` blocks of 2 rows or more; the
    standard error is NaN if there is one block. On Inception's features it is the KID.

    Raises:
        BadInput: the arrays have other shapes, values that are not finite, or too few rows.

    Source: Binkowski et al. 2018, equation 4 and section 3.1.
    """
    real, fake = _pair(real, fake, least=2 * _count("blocks", blocks))
    return kernel.kernel_distance(real, fake, blocks=blocks)


def precision_recall(real: NDArray[Any], fake: NDArray[Any], *, neighbours: int = 3) -> Mapping[str, float]:
    """Return `precision` and `recall` of features (n, d) and (m, d), each from 0 to 1.

    An example reaches as far as its nearest neighbour of the number `neighbours`. Precision is the share of fakes
    that a real example reaches, recall the share of real examples that a fake reaches.

    Raises:
        BadInput: the arrays have other shapes, values that are not finite, or too few rows.

    Source: Kynkaanniemi et al. 2019, equations 1 and 2, with 3 neighbours.
    """
    real, fake = _pair(real, fake, least=1 + _count("neighbours", neighbours))
    return nearest.precision_recall(Manifold(real, neighbours), Manifold(fake, neighbours))


def density_coverage(real: NDArray[Any], fake: NDArray[Any], *, neighbours: int = 5) -> Mapping[str, float]:
    """Return `density` (0 or more, 1 for equal distributions) and `coverage` (0 to 1) of features (n, d) and (m, d).

    Raises:
        BadInput: the arrays have other shapes, values that are not finite, or too few rows.

    Source: Naeem et al. 2020, section 3, with 5 neighbours.
    """
    real, fake = _pair(real, fake, least=1 + _count("neighbours", neighbours))
    return nearest.density_coverage(Manifold(real, neighbours), fake)


def _pair(real: Any, fake: Any, *, least: int) -> tuple[NDArray[Any], NDArray[Any]]:
    checked = _features("real", real, least=least), _features("fake", fake, least=least)
    if checked[0].shape[1] != checked[1].shape[1]:
        raise BadInput(f"real has {checked[0].shape[1]} features, fake has {checked[1].shape[1]}: must be as many")
    return checked


def _features(name: str, values: Any, *, least: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise BadInput(f"{name}: must be numbers of shape (n, d), not {array.dtype} of shape {array.shape}")
    if len(array) < least:
        raise BadInput(f"{name} has {len(array)} rows: must have {least} or more")
    if not np.isfinite(array).all():
        raise BadInput(f"{name} has values that are not finite")
    return array


def _count(name: str, value: int) -> int:
    if not isinstance(value, int) or value < 1:
        raise BadInput(f"{name}={value}: must be an integer of 1 or more")
    return value
