"""Show recorded runs as tables of text, and link them to MLflow's pages."""

import math
from collections.abc import Sequence
from urllib.parse import quote

from rich.table import Table

from ganfreeze.evaluation import protocol_card
from ganfreeze.events import Evaluated
from ganfreeze.record.mlflow_client import Run
from ganfreeze.record.report import formats

_MOST = 5000  # characters of the links: MLflow cuts off a description, with all that stands before them, at 8,000


def evaluation_table(run: Run, evaluated: Evaluated) -> str:
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
        in_training = "refused" if name in refused else formats.number(run.metrics.get(name, math.nan))
        of_real = formats.number(held_out.get(metric, math.nan))
        deviation = "-" if spread is None else formats.number(spread)
        table.add_row(metric, formats.number(mean), deviation, of_real, in_training)
    return formats.text(table) + protocol_card.explain(refused)


def compare_page(runs: Sequence[Run]) -> str:
    """Return the address of the page that compares these runs, relative to the MLflow server."""
    ids = quote("[" + ",".join(f'"{run.id}"' for run in runs) + "]")
    experiments = quote("[" + ",".join(f'"{name}"' for name in sorted({run.experiment_id for run in runs})) + "]")
    return f"#/compare-runs?runs={ids}&experiments={experiments}"


def links(run: Run, runs: Sequence[Run], page: str) -> str:
    """Return Markdown for the description of `run`: links to the other runs of its sweep, and to the comparison.

    If the sweep has too many runs for that, the only link is to `page`, the list of its runs.
    """
    others = [
        f"- [{other.name}](#/experiments/{other.experiment_id}/runs/{other.id})" for other in runs if other != run
    ]
    every_run = "\n".join([f"One run of a sweep; [compare them all]({compare_page(runs)}).", "", *others])
    return every_run if len(every_run) <= _MOST else f"One run of a sweep of {len(runs)}: [all its runs]({page})."
