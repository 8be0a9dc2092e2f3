"""Gather what a report shows beside the figures: curves, samples, reasons of failures, the variance of the samples."""

from collections.abc import Mapping, Sequence

from ganfreeze.evaluation import protocol_card
from ganfreeze.record.report import charts, query, statistics
from ganfreeze.record.report.page import Evidence
from ganfreeze.record.report.statistics import VarianceSplit
from ganfreeze.record.report.summary import Summary

_CURVES = ("discriminator_loss", "generator_loss")  # drawn beside the figures


def gather(uri: str, result: Summary, *, title: str, command: str) -> Evidence:
    """Read the evidence on these runs from an MLflow store; `command` makes the report again."""
    return Evidence(
        title=title,
        command=command,
        charts=_charts(uri, result),
        samples=_samples(uri, result),
        why={each.run.id: query.why(uri, each) for each in result.runs if not each.is_finished},
        splits=_splits(uri, result),
    )


def _charts(uri: str, result: Summary) -> Mapping[str, bytes]:
    """Return learning curves of all figures, glances and losses, and the profiles of the first figure.

    A metric that no run has at two steps has no curve.
    """
    glances = sorted({name for each in result.runs for name in each.measured if protocol_card.is_glance(name)})
    metrics = [*(figure.name for figure in result.figures), *glances, *_CURVES]
    curves: dict[str, dict[str, list[query.History]]] = {metric: {} for metric in metrics}
    for group in result.distinct:
        for history in query.histories(uri, list(group.finished.values()), metrics):
            for metric, values in history.items():
                if len(values) > 1:
                    curves[metric].setdefault(group.name, []).append(values)
    drawn = {
        f"Learning curve of {metric}": charts.learning_curves(metric, by_group)
        for metric, by_group in curves.items()
        if by_group
    }
    first = result.figures[0] if result.figures else None
    if first and len(result.distinct) > 1 and first.estimates:
        drawn[f"Performance profiles of {first.name}"] = charts.profiles(first, [each.name for each in result.distinct])
    return drawn


def _samples(uri: str, result: Summary) -> Mapping[str, bytes]:
    """Return samples of the first run of each variant, after the last step that all of these have."""
    firsts = {group.name: next(iter(group.finished.values())) for group in result.distinct if group.finished}
    found = {name: query.pictures(uri, each) for name, each in firsts.items()}
    common = set.intersection(*(set(steps) for steps in found.values())) if found else set()
    if not common:
        return {}
    step = max(common)
    return {
        f"{name}, seed {firsts[name].seed}, step {step}": query.picture(uri, firsts[name], steps[step]).read_bytes()
        for name, steps in found.items()
    }


def _splits(uri: str, result: Summary) -> Mapping[tuple[str, str], VarianceSplit]:
    """Return the variance of what `src/evaluate.py` measured with several seeds, where it did so for several runs."""
    splits = {}
    for group in result.groups:
        by_figure: dict[str, list[Sequence[float]]] = {}
        for each in group.finished.values():
            for figure, by_seed in query.evaluations(uri, each).items():
                by_figure.setdefault(figure, []).append(list(by_seed.values()))
        for figure, values in by_figure.items():
            if len(values) > 1 and len(values[0]) > 1:
                splits[group.name, figure] = statistics.split_variance(values)
    return splits
