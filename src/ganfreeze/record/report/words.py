"""Estimates and verdicts as text."""

import math

from ganfreeze.record.report.formats import number
from ganfreeze.record.report.statistics import POWER, Comparison, Estimate
from ganfreeze.record.report.verdicts import Verdict


def interval(estimate: Estimate) -> str:
    """Return the 95% interval, "-" if there is none."""
    return "-" if math.isnan(estimate.low) else f"[{number(estimate.low)}, {number(estimate.high)}]"


def verdict(verdict: Verdict) -> str:
    """Return a verdict, and how many seeds would decide it if it is inconclusive."""
    if verdict.word != "inconclusive":
        return verdict.word
    if len(verdict.comparison.differences) == 1:
        return "inconclusive (one seed)"
    if seeds := verdict.seeds:
        return f"inconclusive (about {seeds} seeds would decide)"
    return "inconclusive (more than 1000 seeds would decide)" if verdict.comparison.deviation else "inconclusive"


def p_value(value: float) -> str:
    """Return a p-value, "-" for NaN."""
    return "-" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def comparison(compared: Comparison) -> list[str]:
    """Return the cells of a comparison: pairs, difference, interval, effect size, probability of improvement."""
    difference = compared.difference
    return [
        str(difference.runs),
        number(difference.mean),
        interval(difference),
        number(compared.effect_size),
        f"{compared.improvement:.2f}",
    ]


POWER_NOTE = f"with {POWER:.0%} power, if the difference and its spread are as they seem now"
