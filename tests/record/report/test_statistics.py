"""Statistics of runs: closed forms, SciPy, and the promises of intervals and verdicts on simulated data."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ganfreeze.record.report import statistics
from ganfreeze.record.report.verdicts import judge


@pytest.fixture
def random():
    """Return a generator of the same numbers for each test."""
    return np.random.default_rng(0)


def compared(a, b, margin=1.0, larger=False):
    return statistics.compare(a, b, larger_is_better=larger, margin=margin)


@pytest.mark.parametrize("count", [3, 5, 10])
@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_cover_the_mean(count, skewed, random):
    """Of 95% intervals at least 90% must cover it, for normal values and for skewed ones, which FID is like."""
    draw, mean = (
        (lambda: random.lognormal(3, 0.5, count), np.exp(3.125))
        if skewed
        else (
            lambda: random.normal(20, 2, count),
            20.0,
        )
    )
    covered = [low <= mean <= high for _, low, high, _ in (statistics.estimate(draw()) for _ in range(400))]
    assert 0.895 <= np.mean(covered) <= 0.995


def test_an_interval_of_few_values_is_that_of_students_t():
    values = [1.0, 2.0, 4.0]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert statistics.estimate(values) == pytest.approx((7 / 3, *expected, 3))


def test_one_value_has_no_interval_and_equal_values_have_none_of_length():
    mean, low, high, count = statistics.estimate([3.0])
    assert (mean, count) == (3.0, 1)
    assert math.isnan(low) and math.isnan(high)
    assert statistics.estimate([3.0] * 6) == (3.0, 3.0, 3.0, 6)


def test_intervals_are_the_same_each_time(random):
    values = random.normal(size=8)
    assert statistics.estimate(values) == statistics.estimate(values)


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    assert statistics.interquartile_mean([-1e9, 1, 2, 3, 4, 5, 6, 1e9]) == np.mean([2, 3, 4, 5])


def test_a_profile_is_the_share_of_runs_at_least_as_good():
    np.testing.assert_array_equal(statistics.profile([1, 2, 3, 4], [2, 4, 5], larger_is_better=True), [0.75, 0.25, 0])
    np.testing.assert_array_equal(statistics.profile([1, 2, 3, 4], [2, 4, 0], larger_is_better=False), [0.5, 1, 0])


def test_a_comparison_has_the_numbers_of_scipy(random):
    a, b = random.normal(20, 2, 8), random.normal(21, 2, 8)
    comparison = compared(a, b)
    assert comparison.mean == pytest.approx(np.mean(b - a))
    assert comparison.p_value == pytest.approx(stats.ttest_rel(b, a).pvalue)
    sides = [
        stats.ttest_1samp(b - a, -1.0, alternative="greater").pvalue,
        stats.ttest_1samp(b - a, 1.0, alternative="less").pvalue,
    ]
    assert comparison.p_margin == pytest.approx(max(sides))
    assert comparison.improvement == np.mean(b < a)
    correction = math.gamma(3.5) / (math.sqrt(3.5) * math.gamma(3))  # for 7 degrees of freedom
    assert comparison.effect_size == pytest.approx(correction * np.mean(b - a) / np.std(b - a, ddof=1))
    assert math.isnan(compared([1.0, 2.0], [2.0, 4.0]).effect_size), "the correction for two pairs is 0"


def test_equal_differences_get_the_smallest_p_value_of_a_sign_flip_test():
    """Without any spread the t statistic is infinite or not defined."""
    same, shifted = compared([1, 2, 3], [1, 2, 3]), compared([1, 2, 3], [3, 4, 5])
    assert (same.effect_size, same.p_value, same.improvement) == (0, 1, 0.5)
    flips = stats.permutation_test(([2, 2, 2],), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert (shifted.effect_size, shifted.p_value, shifted.p_margin) == (math.inf, flips.pvalue, 1)


def test_holm_corrects_as_by_hand(random):
    corrected = statistics.holm([0.01, math.nan, 0.04, 0.03])
    assert corrected[0] == pytest.approx(0.03)
    assert math.isnan(corrected[1])
    assert corrected[2:] == pytest.approx([0.06, 0.06])
    many = random.random(20) ** 3
    assert statistics.holm(many) == pytest.approx(multipletests(many, method="holm")[1])


@pytest.mark.parametrize("differences", [[1.0, -2.0, 3.0, 1.0], [23.7, 5.3, -12.7, 13.7, 49.0], [1.0, 1.5, 1.2]])
def test_so_many_seeds_decide(differences, random):
    """With the number of seeds that is promised, eight of ten simulated sweeps do find the difference."""
    comparison = compared(np.zeros(len(differences)), differences, margin=0.01)
    seeds = statistics.seeds_to_decide(comparison, 0.05)
    assert seeds is not None
    deviation, mean = comparison.deviation, comparison.mean
    found = [stats.ttest_1samp(random.normal(mean, deviation, seeds), 0).pvalue < 0.05 for _ in range(2000)]
    assert 0.77 < np.mean(found) < (0.85 if seeds > 5 else 1)


def test_so_many_seeds_show_equivalence(random):
    """With no true difference, eight of ten simulated sweeps of that many seeds place it within the margin."""
    comparison = compared(np.zeros(4), [1.5, -1.5, 1.0, -1.0], margin=1.0)
    seeds = statistics.seeds_to_decide(comparison, 0.05)
    assert seeds is not None
    simulated = random.normal(0, comparison.deviation, (2000, seeds))
    placed = [compared(np.zeros(seeds), differences, margin=1.0).p_margin < 0.05 for differences in simulated]
    assert 0.77 < np.mean(placed) < 0.85


def test_so_many_equal_differences_decide():
    """The p-value of the sign-flip test, 2^(1 - n), falls below 5% at the sixth."""
    seeds = statistics.seeds_to_decide(compared([1.0] * 3, [2.0] * 3, margin=0.5), 0.05)
    assert seeds == 6
    assert compared([1.0] * 6, [2.0] * 6, margin=0.5).p_value < 0.05 < compared([1.0] * 5, [2.0] * 5).p_value
    assert statistics.seeds_to_decide(compared([1.0] * 3, [1.0] * 3, margin=0.0), 0.05) is None


def test_one_pair_does_not_tell_how_many_decide():
    assert statistics.seeds_to_decide(compared([1.0], [2.0]), 0.05) is None


def test_variance_is_split(random):
    """Simulated: training varies by 3, sampling by 1."""
    runs = random.normal(0, 3, (2000, 1)) + random.normal(0, 1, (2000, 4))
    assert statistics.split_variance(runs) == pytest.approx((3, 1), rel=0.05)
    assert statistics.split_variance(random.normal(0, 1, (2000, 4))).training < 0.15


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("variants", [2, 6])
def test_equal_variants_are_seldom_called_better_or_worse(seeds, variants, random):
    """Of 1000 simulated sweeps without any difference, at most 5% may hold a better or a worse variant."""
    wrong = 0
    for _ in range(1000):
        figures = random.lognormal(3, 0.3, (variants, seeds))
        comparisons = [compared(figures[0], other, margin=1e-9) for other in figures[1:]]
        words = [each.word for each in judge(comparisons, [False] * len(comparisons), larger_is_better=False)]
        wrong += bool({"better", "worse"} & set(words))
    assert wrong / 1000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_equal_variants_with_few_values_are_seldom_called_better_or_worse(seeds, random):
    """A count of modes has few values, so differences without any spread are common."""
    wrong = 0
    for _ in range(1000):
        modes = random.integers(7, 9, (4, seeds))
        comparisons = [compared(modes[0], other, margin=1e-9) for other in modes[1:]]
        words = [each.word for each in judge(comparisons, [False] * 3, larger_is_better=True)]
        wrong += bool({"better", "worse"} & set(words))
    assert wrong / 1000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_a_difference_of_just_the_margin_is_seldom_called_equivalent(random):
    words = [
        judge([compared(a, a + random.normal(1, 0.5, 8))], [False], larger_is_better=False)[0].word
        for a in random.normal(20, 2, (1000, 8))
    ]
    assert words.count("equivalent") / 1000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize(
    ("second", "larger", "expected"),
    [
        ([10, 11, 12, 13.5], False, "identical"),
        ([10.01, 11.0, 12.01, 13.51], False, "equivalent"),
        ([20, 21.1, 22, 23.4], False, "worse"),
        ([20, 21.1, 22, 23.4], True, "better"),
        ([8, 14, 9, 15], False, "inconclusive"),
    ],
)
def test_each_verdict(second, larger, expected):
    first = [10, 11, 12, 13.5]
    (verdict,) = judge([compared(first, second, 0.5, larger)], [first == second], larger_is_better=larger)
    assert verdict.word == expected
    assert (verdict.seeds is not None) == (expected == "inconclusive")
