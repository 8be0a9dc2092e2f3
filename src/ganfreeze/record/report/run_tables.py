"""Records as text: pure functions."""

import io
import math
from collections.abc import Sequence
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ganfreeze.evaluation import protocol_card
from ganfreeze.events import Evaluated
from ganfreeze.record.mlflow_store import Run

_OTHERS = {"steps_per_second": "steps/s", "discriminator_weight_change": "discriminator moved"}


def sweep_table(runs: Sequence[Run], *, width: int = 140) -> str:
    """A table with a line for each run: variant, figures, steps/s, how far the discriminator moved, the audit, status.

    A variant is called by what tells it from the others: the words of its name that not all runs share. Figures that
    were not measured alike are refused, and a line under the table says in which fields their cards differ.
    """
    shared = set.intersection(*(set(run.name.split()) for run in runs)) if len(runs) > 1 else set()
    measured = set().union(*(run.metrics for run in runs))
    figures = sorted(key for key in measured if "/" in key and not key.startswith("system/"))
    refused = protocol_card.incomparable({figure: _cards(runs, figure) for figure in figures})
    shown = [*figures, *(key for key in _OTHERS if key in measured)]
    table = Table("variant", *(_OTHERS.get(key) or key for key in shown), "audit", "status", box=None, pad_edge=False)
    for column in table.columns[1:-2]:
        column.justify = "right"
    for run in runs:
        name = " ".join(word for word in run.name.split() if word not in shared) or run.name
        cells = ["refused" if key in refused else _figure(run.metrics.get(key, math.nan)) for key in shown]
        table.add_row(escape(name), *cells, run.audit or "-", run.status)
    return _text(table, max(width, 22 * (len(shown) + 2))) + ("\n" if refused else "") + protocol_card.explain(refused)


def evaluation_table(run: Run, evaluated: Evaluated, *, width: int = 140) -> str:
    """A table with a line for each figure of a run that was evaluated again: the mean over the seeds, their standard
    deviation, and the figure of training, which is refused where it was not measured alike."""
    cards = [evaluated.card, run.cards.get(evaluated.evaluator, {})]
    summary = evaluated.summary()
    names = [f"{evaluated.evaluator}/{figure}" for figure in summary]
    refused = protocol_card.incomparable({name: cards for name in names if name in run.metrics})
    table = Table(evaluated.name, "mean", "spread", "in training", box=None, pad_edge=False)
    for name, (figure, (mean, spread)) in zip(names, summary.items(), strict=True):
        told = "refused" if name in refused else _figure(run.metrics.get(name, math.nan))
        table.add_row(figure, _figure(mean), "-" if spread is None else _figure(spread), told)
    return _text(table, width) + protocol_card.explain(refused)


def compare_page(runs: Sequence[Run]) -> str:
    """The address of the page that compares these runs, within an MLflow server."""
    ids = quote("[" + ",".join(f'"{run.id}"' for run in runs) + "]")
    experiments = quote("[" + ",".join(f'"{each}"' for each in sorted({run.experiment for run in runs})) + "]")
    return f"#/compare-runs?runs={ids}&experiments={experiments}"


def links(run: Run, runs: Sequence[Run]) -> str:
    """Markdown for the description of `run`: links to the other runs of its sweep, and to the page of them all."""
    others = [f"- [{each.name}](#/experiments/{each.experiment}/runs/{each.id})" for each in runs if each != run]
    return "\n".join([f"One run of a sweep; [compare them all]({compare_page(runs)}).", "", *others])


def _text(table: Table, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width, highlight=False).print(table)
    return text.getvalue()


def _cards(runs: Sequence[Run], figure: str) -> Sequence[protocol_card.Card]:
    """The protocols of a figure, of the runs that have it."""
    return [run.cards.get(figure.rpartition("/")[0], {}) for run in runs if figure in run.metrics]


def _figure(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) >= 0.1 or not value else f"{value:.2g}"
