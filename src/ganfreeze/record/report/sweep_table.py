"""The table that closes a sweep: one line for each variant, grouped over seeds."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from ganfreeze.evaluation import protocol_card
from ganfreeze.record.report import formats, groups, words
from ganfreeze.record.report.groups import Group
from ganfreeze.record.report.query import RecordedRun
from ganfreeze.record.report.summary import Figure, Summary
from ganfreeze.types import GROUPS

_PLAIN = ("none", "constant", "adam", "mlflow", "classifier")  # defaults that say little
# Metrics of training that are shown beside those of evaluation, with the headings of their columns.
_TRAINING_METRICS = {"steps_per_second": "steps/s", "discriminator_weight_change": "discriminator moved"}


def sweep_table(summary: Summary) -> str:
    """Return what all runs share, a table with one line for each variant, and notes below it.

    A figure of several seeds is shown as its mean with its 95% interval, and "of 2" if only two runs have it. The
    verdict is on the first figure, against the baseline. Below the variants are the metrics of held-out real images, if
    the cards have them. A metric is shown as "refused" if the runs measured it by different protocols.
    """
    training = [key for key in _TRAINING_METRICS if any(key in run.run.metrics for run in summary.runs)]
    headings = [*(figure.name for figure in summary.figures), *(_TRAINING_METRICS[key] for key in training)]
    compared = len(summary.groups) > 1 and bool(summary.figures)
    table = Table("variant", "seeds", *headings, "audit", "status", box=None, pad_edge=False)
    for column in table.columns[1:-2]:
        column.justify = "right"
    if compared:
        table.add_column("verdict", no_wrap=True)
    for group in summary.groups:
        cells = [
            str(len(group.runs)),
            *(_figure(figure, group) for figure in summary.figures),
            *(_mean(group, key) for key in training),
            _all({run.run.audit or "-" for run in group.runs}),
            _statuses(group),
        ]
        table.add_row(escape(group.name), *cells, *([_verdict(summary, group.name)] if compared else []))
    if any(figure.real is not None for figure in summary.figures):
        values = ["-" if figure.real is None else formats.number(figure.real) for figure in summary.figures]
        table.add_row(f"real data, {_held_out_count(summary)} held out", "", *values)
    return f"{_constants(summary)}\n{formats.text(table)}" + "".join(_notes(summary))


def _constants(summary: Summary) -> str:
    shared = groups.constants(summary.runs)
    shown = [word for key, word in shared.items() if key in GROUPS and word not in _PLAIN]
    return f"all: {', '.join(shown)}, {shared['steps']} steps" if "steps" in shared else f"all: {', '.join(shown)}"


def _figure(figure: Figure, group: Group) -> str:
    if figure.refused:
        return "refused"
    estimate = figure.estimates.get(group.name)
    if estimate is None:
        return "-"
    text = formats.number(estimate.mean)
    if not math.isnan(estimate.low):
        text += f" {words.interval(estimate)}"
    return text if estimate.runs == len(group.runs) else f"{text} of {estimate.runs}"


def _mean(group: Group, metric: str) -> str:
    values = [run.run.metrics[metric] for run in group.runs if metric in run.run.metrics]
    return formats.number(sum(values) / len(values)) if values else "-"


def _statuses(group: Group) -> str:
    counts = Counter(run.run.status for run in group.runs)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _verdict(summary: Summary, name: str) -> str:
    if name == summary.baseline:
        return "baseline"
    if twin := summary.twins.get(name):
        return "identical" if twin == summary.baseline else f"identical to {twin}"
    verdict = summary.figures[0].verdicts.get(name)
    return words.verdict(verdict) if verdict else "-"


def _all(values: set[str]) -> str:
    return ", ".join(sorted(values))


def _held_out_count(summary: Summary) -> str:
    """Return how many real images were held out, as the cards of the figures in the table say."""
    shown = {figure.name.rpartition("/")[0] for figure in summary.figures}
    cards = [card for run in summary.runs for name, card in run.run.cards.items() if name in shown]
    counts = {card.get(protocol_card.HELD_OUT, {}).get("samples") for card in cards}
    return " or ".join(f"{count:.0f}" for count in sorted(counts - {None}))


def _notes(summary: Summary) -> list[str]:
    refused: Mapping[str, str] = {figure.name: figure.refused for figure in summary.figures if figure.refused}
    notes = [accuracy(summary.runs)]
    if summary.figures and summary.figures[0].verdicts:
        first = summary.figures[0]
        notes.append(
            f"Verdicts: on {first.name} over the same seeds, against {summary.baseline}; equivalent: closer than "
            f"{formats.number(first.margin)}.\n"
        )
    return [*notes, protocol_card.explain(refused)]


def accuracy(runs: Sequence[RecordedRun]) -> str:
    """Return a line on the accuracy of the classifier that made the features, or "" if there is none."""
    held_out = [card.get(protocol_card.HELD_OUT, {}) for run in runs for card in run.run.cards.values()]
    accuracies = [card["test_accuracy"] for card in held_out if "test_accuracy" in card]
    if not accuracies:
        return ""
    extremes = dict.fromkeys(f"{value:.3f}" for value in (min(accuracies), max(accuracies)))
    return f"The classifier's accuracy on held-out images: {' to '.join(extremes)}\n"
