"""Show recorded runs as tables of text, and link them to MLflow's pages."""

import io
import math
from collections.abc import Sequence
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ganfreeze.evaluation import protocol_card
from ganfreeze.events import Evaluated
from ganfreeze.record.mlflow_client import Run

# Metrics of training that a sweep's table shows beside those of evaluation, with the headings of their columns.
_TRAINING_METRICS = {"steps_per_second": "steps/s", "discriminator_weight_change": "discriminator moved"}


def sweep_table(runs: Sequence[Run], *, width: int = 140) -> str:
    """Return a table with one line for each run.

    It shows the variant, the metrics, the steps per second, how far the discriminator moved, the audit and the status.
    The words that all runs share are left out of the variants' names. Below the runs are the metrics of held-out real
    images, if the cards have them. A metric is shown as "refused" if the runs
    measured it by different protocols; a line below the table says in which fields the protocol cards differ.
    """
    shared = set.intersection(*(set(run.name.split()) for run in runs)) if len(runs) > 1 else set()
    measured = set().union(*(run.metrics for run in runs))
    evaluated = sorted(key for key in measured if "/" in key and not key.startswith("system/"))
    refused = protocol_card.incomparable({metric: _cards(runs, metric) for metric in evaluated})
    shown = [*evaluated, *(key for key in _TRAINING_METRICS if key in measured)]
    headings = [_TRAINING_METRICS.get(key) or key for key in shown]
    table = Table("variant", *headings, "audit", "status", box=None, pad_edge=False)
    for column in table.columns[1:-2]:
        column.justify = "right"
    held_out = {metric: _held_out(runs, metric) for metric in evaluated}
    for run in runs:
        name = " ".join(word for word in run.name.split() if word not in shared) or run.name
        cells = ["refused" if key in refused else _number(run.metrics.get(key, math.nan)) for key in shown]
        table.add_row(escape(name), *cells, run.audit or "-", run.status)
    if any(value is not None for value in held_out.values()):
        values = [held_out.get(key) for key in shown]
        table.add_row(
            f"real data, {_held_out_count(runs)} held out",
            *("-" if value is None else _number(value) for value in values),
            "-",
            "-",
        )
    text = _text(table, max(width, 22 * (len(shown) + 2))) + _accuracy(runs)
    return text + ("\n" if refused else "") + protocol_card.explain(refused)


def evaluation_table(run: Run, evaluated: Evaluated, *, width: int = 140) -> str:
    """Return a table with one line for each metric of a run that was evaluated again.

    It shows the mean over the seeds, the standard deviation over the seeds, the value of held-out real images, and the
    value measured in training. The last is shown as "refused" if it was measured by a different protocol.
    """
    cards = [evaluated.card, run.cards.get(evaluated.evaluator, {})]
    summary = evaluated.summary()
    names = [f"{evaluated.evaluator}/{metric}" for metric in summary]
    refused = protocol_card.incomparable({name: cards for name in names if name in run.metrics})
    held_out = evaluated.card.get(protocol_card.HELD_OUT, {})
    table = Table(evaluated.name, "mean", "spread", "real, held out", "in training", box=None, pad_edge=False)
    for name, (metric, (mean, spread)) in zip(names, summary.items(), strict=True):
        in_training = "refused" if name in refused else _number(run.metrics.get(name, math.nan))
        of_real = _number(held_out.get(metric, math.nan))
        table.add_row(metric, _number(mean), "-" if spread is None else _number(spread), of_real, in_training)
    return _text(table, width) + protocol_card.explain(refused)


def compare_page(runs: Sequence[Run]) -> str:
    """Return the address of the page that compares these runs, relative to the MLflow server."""
    ids = quote("[" + ",".join(f'"{run.id}"' for run in runs) + "]")
    experiments = quote("[" + ",".join(f'"{name}"' for name in sorted({run.experiment_id for run in runs})) + "]")
    return f"#/compare-runs?runs={ids}&experiments={experiments}"


def links(run: Run, runs: Sequence[Run]) -> str:
    """Return Markdown for the description of `run`: links to the other runs of its sweep, and to the comparison."""
    others = [
        f"- [{other.name}](#/experiments/{other.experiment_id}/runs/{other.id})" for other in runs if other != run
    ]
    return "\n".join([f"One run of a sweep; [compare them all]({compare_page(runs)}).", "", *others])


def _text(table: Table, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width, highlight=False).print(table)
    return text.getvalue()


def _cards(runs: Sequence[Run], metric: str) -> Sequence[protocol_card.Card]:
    """Return the protocol card of a metric for each run that has the metric."""
    return [run.cards.get(metric.rpartition("/")[0], {}) for run in runs if metric in run.metrics]


def _held_out(runs: Sequence[Run], metric: str) -> float | None:
    """Return a metric of held-out real images, by the protocol of the first run whose card has it; else None."""
    cards = (card.get(protocol_card.HELD_OUT, {}) for card in _cards(runs, metric))
    return next((card[name] for card in cards if (name := metric.rpartition("/")[2]) in card), None)


def _held_out_count(runs: Sequence[Run]) -> str:
    """Return how many real images were held out, as the cards of the runs say."""
    counts = {card.get(protocol_card.HELD_OUT, {}).get("samples") for run in runs for card in run.cards.values()}
    return " or ".join(f"{count:.0f}" for count in sorted(counts - {None}))


def _accuracy(runs: Sequence[Run]) -> str:
    """Return a line on the accuracy of the classifier that made the features, or "" if there is none."""
    held_out = [card.get(protocol_card.HELD_OUT, {}) for run in runs for card in run.cards.values()]
    accuracies = [card["test_accuracy"] for card in held_out if "test_accuracy" in card]
    if not accuracies:
        return ""
    extremes = dict.fromkeys(f"{value:.3f}" for value in (min(accuracies), max(accuracies)))
    return f"The classifier's accuracy on held-out images: {' to '.join(extremes)}\n"


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) >= 0.1 or not value else f"{value:.2g}"
