"""Verdicts: what a comparison of two variants says, in one word."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ganfreeze.record.report import statistics
from ganfreeze.record.report.statistics import Comparison

_ALPHA = 0.05

Word = Literal["identical", "equivalent", "better", "worse", "inconclusive"]


class Verdict(NamedTuple):
    """What a comparison says of the second variant against the first.

    - identical: the runs ended with the same weights and the same figures, to the bit;
    - equivalent: the mean difference is smaller than the margin;
    - better, worse: the mean difference is not 0;
    - inconclusive: none of these is shown.

    They are shown where a p-value, corrected for the number of comparisons, is below 5%. The level of a single test is
    then `alpha`, or more. A difference that is shown to be smaller than the margin is equivalent, even if it is shown
    not to be 0.
    """

    word: Word
    comparison: Comparison
    p_value: float
    p_margin: float
    alpha: float

    @property
    def seeds(self) -> int | None:
        """How many seeds would decide an inconclusive comparison, None for another or if more than 1000 would."""
        return statistics.seeds_to_decide(self.comparison, self.alpha) if self.word == "inconclusive" else None


def judge(comparisons: Sequence[Comparison], identical: Sequence[bool], *, larger_is_better: bool) -> list[Verdict]:
    """Return the verdicts on the comparisons of one figure, a family: their p-values are corrected together.

    `identical` says of each whether the runs ended the same. Such comparisons need no test.
    """
    tested = [number for number, same in enumerate(identical) if not same]
    p_values = dict(zip(tested, statistics.holm([comparisons[n].p_value for n in tested]), strict=True))
    p_margins = dict(zip(tested, statistics.holm([comparisons[n].p_margin for n in tested]), strict=True))
    verdicts = []
    for number, comparison in enumerate(comparisons):
        p, p_margin = p_values.get(number, 1.0), p_margins.get(number, 0.0)
        word = "identical" if identical[number] else _word(comparison, p, p_margin, larger_is_better=larger_is_better)
        verdicts.append(Verdict(word, comparison, p, p_margin, _ALPHA / max(1, len(tested))))
    return verdicts


def _word(comparison: Comparison, p: float, p_margin: float, *, larger_is_better: bool) -> Word:
    if p_margin < _ALPHA:
        return "equivalent"
    if p < _ALPHA:
        return "better" if (comparison.mean > 0) == larger_is_better else "worse"
    return "inconclusive"
