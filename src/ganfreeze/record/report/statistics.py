"""Statistics of runs: arrays in, numbers out.

Few seeds are the rule, so each method here keeps its promise with few. That is tested on simulated data.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from arch.bootstrap import IIDBootstrap
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln
from statsmodels.stats.power import TTestPower

LEVEL = 0.95  # of all intervals
_RESAMPLES = 1000
_FEWEST_FOR_BOOTSTRAP = 5  # with fewer runs too many resamples hold one run only, and have no spread
_MOST_SEEDS = 1000
POWER = 0.8


class Estimate(NamedTuple):
    """A mean, its 95% interval, and the number of runs. With one run there is no interval: it is NaN."""

    mean: float
    low: float
    high: float
    runs: int


class Comparison(NamedTuple):
    """A figure of two variants, compared over the seeds that both have.

    - `differences`: of the second variant from the first, with their mean and standard deviation.
    - `effect_size`: the mean difference in standard deviations of the difference, times Hedges' correction for few
      pairs (Hedges 1981; Lakens 2013, d_z). It is infinite if all differences are equal, and not 0. With two pairs it
      is NaN, because the correction is 0.
    - `improvement`: the share of pairs in which the second is better; a tie counts half (Agarwal et al. 2021, section
      4.3, for pairs).
    - `p_value`: of the paired t test that the mean difference is 0.
    - `p_margin`: of two one-sided t tests that the mean difference is beyond `margin` (Schuirmann 1987), the larger.

    If all n differences are equal, no t test is possible. Both are then 2^(1 - n) where they are not 1, the smallest
    p-value of the sign-flip test.
    """

    differences: tuple[float, ...]
    mean: float
    deviation: float
    effect_size: float
    improvement: float
    p_value: float
    p_margin: float
    margin: float

    @property
    def difference(self) -> Estimate:
        """The mean difference with its 95% interval."""
        return estimate(self.differences)


class VarianceSplit(NamedTuple):
    """The standard deviation of a figure over training seeds, and over the seeds of the samples."""

    training: float
    sampling: float


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean with a 95% interval: the studentized bootstrap's, with fewer than five values Student's t.

    Source: Efron & Tibshirani 1993, section 12.5. The percentile and BCa intervals of 3 to 10 values cover the mean too
    seldom.
    """
    array = np.asarray(values, float)
    mean, count = float(array.mean()), len(array)
    if count < 2:
        return Estimate(mean, math.nan, math.nan, count)
    if np.ptp(array) == 0:
        return Estimate(mean, mean, mean, count)
    if count < _FEWEST_FOR_BOOTSTRAP:
        low, high = stats.t.interval(LEVEL, count - 1, mean, _standard_error(array))
    else:
        bootstrap = IIDBootstrap(array, seed=np.random.default_rng(0))
        low, high = bootstrap.conf_int(
            lambda sample: np.atleast_1d(sample.mean()),
            _RESAMPLES,
            method="studentized",
            size=LEVEL,
            std_err_func=lambda _, sample: np.atleast_1d(_standard_error(sample) or np.inf),
        ).ravel()
    return Estimate(mean, float(low), float(high), count)


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean of the middle half of the values (Agarwal et al. 2021, section 4.3)."""
    return float(stats.trim_mean(np.asarray(values, float), 0.25))


def profile(values: Sequence[float], thresholds: Sequence[float], *, larger_is_better: bool) -> NDArray[np.float64]:
    """Return for each threshold the share of runs that reach it or better (Agarwal et al. 2021, section 4.2)."""
    array, limits = np.asarray(values, float)[:, None], np.asarray(thresholds, float)[None]
    return np.mean(array >= limits if larger_is_better else array <= limits, axis=0)


def compare(first: Sequence[float], second: Sequence[float], *, larger_is_better: bool, margin: float) -> Comparison:
    """Compare a figure of two variants; values at the same place have the same seed. There must be at least one."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    differences = b - a
    mean, count = float(differences.mean()), len(differences)
    deviation = float(differences.std(ddof=1)) if count > 1 else math.nan
    wins = differences > 0 if larger_is_better else differences < 0
    improvement = float(np.mean(wins + 0.5 * (differences == 0)))
    p_value = p_margin = math.nan
    if deviation == 0:
        effect = math.copysign(math.inf, mean) if mean else 0.0
        smallest = 2.0 ** (1 - count)
        p_value, p_margin = (1.0 if mean == 0 else smallest), (1.0 if abs(mean) >= margin else smallest)
    elif count > 1:
        error, freedom = _standard_error(differences), count - 1
        effect = mean / deviation * _hedges(freedom)
        p_value = 2 * float(stats.t.sf(abs(mean) / error, freedom))
        p_margin = float(stats.t.sf((margin - abs(mean)) / error, freedom))
    else:
        effect = math.nan
    return Comparison(tuple(differences.tolist()), mean, deviation, effect, improvement, p_value, p_margin, margin)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979). A NaN stays, and does not count.

    The multipletests of statsmodels returns the same, but collects garbage at each call, which takes 0.1 s.
    """
    known = [number for number, p in enumerate(p_values) if not math.isnan(p)]
    corrected, largest = list(p_values), 0.0
    for rank, number in enumerate(sorted(known, key=lambda number: p_values[number])):
        largest = max(largest, min(1.0, (len(known) - rank) * p_values[number]))
        corrected[number] = largest
    return corrected


def seeds_to_decide(comparison: Comparison, alpha: float) -> int | None:
    """Return how many pairs would decide with 80% power, if the mean difference and its deviation are as they seem.

    It is the smaller number of two: for the t test to find the difference, and for both one-sided tests to place it
    within the margin. The power of both is at least the sum of their powers less 1. If all differences are equal, it is
    the first whose p-value, as `compare` has it, is below `alpha`. None if it is more than 1000, or if nothing
    tells.
    """
    mean, margin, deviation = abs(comparison.mean), comparison.margin, comparison.deviation
    if math.isnan(deviation) or deviation == mean == margin == 0:
        return None
    if deviation == 0:
        return 2 + math.floor(-math.log2(alpha))

    def finds(pairs: int) -> float:
        return _power(mean / deviation, pairs, alpha, "two-sided")

    def places(pairs: int) -> float:
        sides = (margin - mean) / deviation, (margin + mean) / deviation
        return sum(_power(side, pairs, alpha, "larger") for side in sides) - 1

    found = [_fewest(power) for power in (finds, *([places] if mean < margin else []))]
    return min((pairs for pairs in found if pairs is not None), default=None)


def split_variance(values: Sequence[Sequence[float]]) -> VarianceSplit:
    """Split the variance of a figure, (runs, seeds of the samples), by one-way analysis of variance.

    The mean over m seeds of a run varies by sampling too, by a share 1 / m of the sampling variance. That share is
    taken off; a training variance below 0 counts as 0.
    """
    array = np.asarray(values, float)
    sampling = float(array.var(axis=1, ddof=1).mean())
    training = float(array.mean(axis=1).var(ddof=1)) - sampling / array.shape[1]
    return VarianceSplit(math.sqrt(max(0.0, training)), math.sqrt(sampling))


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _hedges(freedom: int) -> float:
    """Return the correction of an effect size for few pairs, NaN for two (Hedges 1981, exact)."""
    if freedom < 2:
        return math.nan
    return math.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)


def _power(effect: float, pairs: int, alpha: float, alternative: str) -> float:
    """Return the power of a t test to find an effect, in standard deviations."""
    power = float(TTestPower().power(effect, pairs, alpha, alternative=alternative))
    return 1.0 if math.isnan(power) else power  # SciPy's noncentral t is NaN where the power is all but 1


def _fewest(power: Callable[[int], float]) -> int | None:
    """Return the smallest number of pairs for a power of 80%."""
    numbers = range(2, _MOST_SEEDS + 1)
    if power(_MOST_SEEDS) < POWER:
        return None
    return numbers[bisect_left(numbers, True, key=lambda pairs: power(pairs) >= POWER)]
