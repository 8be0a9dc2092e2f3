"""Records as text: pure functions."""

import io
import math
from collections.abc import Sequence
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ganfreeze.report.query import Run

_FIGURES = ("/fid", "/inception_score")  # of any extractor, whose name stands before the slash
_OTHERS = {"steps_per_second": "steps/s", "discriminator_weight_change": "discriminator moved"}


def sweep_table(runs: Sequence[Run], *, width: int = 140) -> str:
    """A table with a line for each run: variant, figures, steps/s, how far the discriminator moved, the audit, status.

    A variant is called by what tells it from the others: the words of its name that not all runs share.
    """
    shared = set.intersection(*(set(run.name.split()) for run in runs)) if len(runs) > 1 else set()
    measured = set().union(*(run.metrics for run in runs))
    shown = [*sorted(key for key in measured if key.endswith(_FIGURES)), *(key for key in _OTHERS if key in measured)]
    table = Table("variant", *(_OTHERS.get(key) or key for key in shown), "audit", "status", box=None, pad_edge=False)
    for column in table.columns[1:-2]:
        column.justify = "right"
    for run in runs:
        name = " ".join(word for word in run.name.split() if word not in shared) or run.name
        table.add_row(
            escape(name), *(_figure(run.metrics.get(key, math.nan)) for key in shown), run.audit or "-", run.status
        )
    text = io.StringIO()
    Console(file=text, width=width, highlight=False).print(table)
    return text.getvalue()


def compare_page(runs: Sequence[Run]) -> str:
    """The address of the page that compares these runs, within an MLflow server."""
    ids = quote("[" + ",".join(f'"{run.id}"' for run in runs) + "]")
    experiments = quote("[" + ",".join(f'"{each}"' for each in sorted({run.experiment for run in runs})) + "]")
    return f"#/compare-runs?runs={ids}&experiments={experiments}"


def links(run: Run, runs: Sequence[Run]) -> str:
    """Markdown for the description of `run`: links to the other runs of its sweep, and to the page of them all."""
    others = [f"- [{each.name}](#/experiments/{each.experiment}/runs/{each.id})" for each in runs if each != run]
    return "\n".join([f"One run of a sweep; [compare them all]({compare_page(runs)}).", "", *others])


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
