"""What a sweep shows: each figure of each variant, and the verdict on each variant against the baseline."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ganfreeze.errors import BadInput
from ganfreeze.evaluation import protocol_card
from ganfreeze.evaluation.metrics import ranking
from ganfreeze.record.mlflow_client import WEIGHTS_TAG
from ganfreeze.record.report import groups, statistics
from ganfreeze.record.report.groups import Group
from ganfreeze.record.report.query import RecordedRun
from ganfreeze.record.report.statistics import Estimate
from ganfreeze.record.report.verdicts import Verdict, judge

_INFINITE = 1.79e308  # MLflow keeps infinity as the largest number
_MAY_DIFFER = ("steps_per_second", "system/")  # in runs that are the same
MARGIN = 0.05  # of the baseline's mean: what counts as equivalent


class Figure(NamedTuple):
    """A metric of all variants, by their names: values by seed, the mean, and the verdict against the baseline.

    `larger_is_better` is None for a metric that cannot be ranked; it has no verdicts. `real` is the metric of held-out
    real images, None if nobody measured it. `refused` says why the runs must not be compared, "" if they may.
    """

    name: str
    larger_is_better: bool | None
    values: Mapping[str, Mapping[int, float]]
    estimates: Mapping[str, Estimate]
    verdicts: Mapping[str, Verdict]
    margin: float
    real: float | None
    refused: str


class Summary(NamedTuple):
    """Variants with their figures; the first figure is the one that they are sorted by, best first.

    `twins` maps a variant to an earlier one whose runs ended with the same weights and figures, to the bit, for each
    seed.
    """

    groups: Sequence[Group]
    baseline: str
    figures: Sequence[Figure]
    twins: Mapping[str, str]

    @property
    def runs(self) -> Sequence[RecordedRun]:
        """All runs, variant by variant."""
        return [run for group in self.groups for run in group.runs]

    @property
    def distinct(self) -> Sequence[Group]:
        """The variants without those that ended as another one before them."""
        return [group for group in self.groups if group.name not in self.twins]


def summarise(
    runs: Sequence[RecordedRun], *, figure: str | None = None, baseline: str | None = None, margin: float = MARGIN
) -> Summary:
    """Group the runs into variants, and compare each with one.

    `baseline` names this one; by default it is the first that has finished. `figure` is the metric to sort by, such as
    "classifier/fid"; by default an FID, or else what comes first.

    Raises:
        BadInput: there is no such figure or baseline.
    """
    found = groups.grouped(runs)
    names = [group.name for group in found]
    baseline = baseline or next((group.name for group in found if group.finished), names[0])
    if baseline not in names:
        raise BadInput(f"baseline={baseline}: there is no such variant; {', '.join(names)}")
    measured = _measured(runs)
    if figure is not None and figure not in measured:
        raise BadInput(f"figure={figure}: no run has it; {', '.join(measured) or 'they measured none'}")
    records = {group.name: _records(group) for group in found}
    order = sorted(measured, key=lambda name: name != figure)
    figures = [_figure(name, found, baseline, margin, records) for name in order]
    ordered = _sorted(found, figures)
    return Summary(ordered, baseline, figures, _twins(ordered, records))


def _measured(runs: Sequence[RecordedRun]) -> list[str]:
    """Return the metrics of evaluations: an FID first, and last those that cannot be ranked."""
    names = {name for run in runs for name in run.run.metrics if "/" in name and not name.startswith("system/")}
    found = [name for name in names if not protocol_card.is_added(name)]
    return sorted(found, key=lambda name: (_larger_is_better(name) is None, name.rpartition("/")[2] != "fid", name))


def _larger_is_better(name: str) -> bool | None:
    metric = name.rpartition("/")[2]
    if metric in ranking.LARGER_IS_BETTER:
        return True
    return False if metric in ranking.SMALLER_IS_BETTER else None


def _figure(name: str, found: Sequence[Group], baseline: str, margin: float, records: Mapping[str, str]) -> Figure:
    prefix, _, metric = name.rpartition("/")
    larger = _larger_is_better(name)
    values = {
        group.name: {
            seed: run.run.metrics[name]
            for seed, run in group.finished.items()
            if abs(run.run.metrics.get(name, math.inf)) < _INFINITE
        }
        for group in found
    }
    cards = [group.finished[seed].run.cards.get(prefix, {}) for group in found for seed in values[group.name]]
    refused = protocol_card.incomparable({name: cards}).get(name, "")
    comparable = {} if refused else values
    estimates = {key: statistics.estimate(list(by_seed.values())) for key, by_seed in comparable.items() if by_seed}
    width = margin * abs(estimates[baseline].mean) if baseline in estimates else math.nan
    verdicts = {} if refused or larger is None else _verdicts(values, baseline, width, records, larger_is_better=larger)
    held_out = [card.get(protocol_card.HELD_OUT, {}).get(metric) for card in cards]
    real = next((value for value in held_out if value is not None), None)
    return Figure(name, larger, values, estimates, verdicts, width, real, refused)


def _verdicts(
    values: Mapping[str, Mapping[int, float]],
    baseline: str,
    margin: float,
    records: Mapping[str, str],
    *,
    larger_is_better: bool,
) -> Mapping[str, Verdict]:
    """Return the verdict on each variant that has a seed in common with the baseline.

    Variants whose runs ended the same, as `records` says, are one comparison, and share its verdict.
    """
    pairs = {}
    for name, by_seed in values.items():
        if name != baseline and (seeds := [seed for seed in values[baseline] if seed in by_seed]):
            pairs[name] = [values[baseline][seed] for seed in seeds], [by_seed[seed] for seed in seeds]
    distinct = {records[name]: pair for name, pair in pairs.items()}
    comparisons = [
        statistics.compare(*pair, larger_is_better=larger_is_better, margin=margin) for pair in distinct.values()
    ]
    identical = [record == records[baseline] for record in distinct]
    verdicts = dict(zip(distinct, judge(comparisons, identical, larger_is_better=larger_is_better), strict=True))
    return {name: verdicts[records[name]] for name in pairs}


def _records(group: Group) -> str:
    """Return how the finished runs of a variant ended, by their seeds: their final weights and figures, to the bit.

    Equal steps may sum up their losses in another order, so losses do not count. Runs that were recorded without a
    digest of their weights are compared by all that they recorded, but for their speed.
    """
    return repr([(seed, *_ending(run)) for seed, run in sorted(group.finished.items())])


def _ending(run: RecordedRun) -> tuple[str, Sequence[tuple[str, float]]]:
    digest = run.tags.get(WEIGHTS_TAG, "")
    kept = _measured([run]) if digest else [name for name in run.run.metrics if not name.startswith(_MAY_DIFFER)]
    return digest, sorted((name, run.run.metrics[name]) for name in kept)


def _twins(found: Sequence[Group], records: Mapping[str, str]) -> Mapping[str, str]:
    firsts: dict[str, str] = {}
    twins = {}
    for group in found:
        first = firsts.setdefault(records[group.name], group.name)
        if group.finished and first != group.name:
            twins[group.name] = first
    return twins


def _sorted(found: Sequence[Group], figures: Sequence[Figure]) -> list[Group]:
    if not figures:
        return list(found)
    first = figures[0]
    sign = -1 if first.larger_is_better else 1
    means = {name: sign * estimate.mean for name, estimate in first.estimates.items()}
    return sorted(found, key=lambda group: means.get(group.name, math.inf))
