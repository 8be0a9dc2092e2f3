"""Views of a sweep in MLflow's pages: what the list of its runs and its charts show at first.

MLflow keeps a view that somebody shares as a tag of the experiment, and its pages take the key of this tag. A view is
the state of the page as JSON: the filter, the columns, and the charts in their sections.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from ganfreeze.evaluation.protocol_card import is_glance
from ganfreeze.record import mlflow_client

_TAG = "mlflow.sharedViewState."
_MOST = 5000  # characters of an experiment's tag that a store accepts
_COLUMNS = 12
_WEIGHTS = ("discriminator_weight_change", "generator_weight_change")
_UNSHOWN = ("paths.", "execution.")  # parameters that say where things lie and how steps were run


def share(client: Any, experiment: str, sweep: str) -> str:
    """Make the view of a sweep, or make it again with all its runs. Return the address of the list of its runs.

    The list shows what differs between the runs, their metrics and their audit. With `&compareRunsMode=CHART` after it,
    the address is that of the charts: the curves of the glances first, then the pictures. It is relative to the server.
    """
    search = f"tags.`{mlflow_client.SWEEP_TAG}` = '{sweep}'"
    runs = [run.data for run in client.search_runs([experiment], search)]
    key = sha256(sweep.encode()).hexdigest()[:8]
    names = sorted({name for run in runs for name in run.metrics})
    steps = [int(mlflow_client.parameters(run).get("steps", 0)) for run in runs]
    charts, sections = _charts(names, last=max(steps, default=0))
    view = {"searchFilter": search, "selectedColumns": _columns(runs, names), "isAccordionReordered": True}
    states = [json.dumps({**view, "compareRunCharts": charts, "compareRunSections": sections}), json.dumps(view)]
    client.set_experiment_tag(experiment, _TAG + key, next(state for state in states if len(state) <= _MOST))
    return f"#/experiments/{experiment}/runs?viewStateShareKey={key}"


def _columns(runs: Sequence[Any], names: Sequence[str]) -> list[str]:
    """Return the columns: what differs and the strategy, the metrics of evaluations, the audit."""
    parameters = sorted({key for run in runs for key in run.params if not key.startswith(_UNSHOWN)})
    differing = [key for key in parameters if len({run.params.get(key) for run in runs}) > 1]
    shown = dict.fromkeys([key for key in ("strategy", *differing) if key in parameters])
    metrics = [name for name in names if "/" in name and not name.startswith("system/") and not is_glance(name)]
    columns = [*(f"params.`{key}`" for key in shown), *(f"metrics.`{name}`" for name in metrics)]
    return [*columns[: _COLUMNS - 1], "tags.`audit`"]


def _charts(names: Sequence[str], last: int) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return the charts that come first, and the sections that they are in. MLflow adds the others below.

    The pictures are those of the step `last`, and a slider leads to the others.
    """
    curves = [*(name for name in names if is_glance(name)), *(name for name in _WEIGHTS if name in names)]
    lines = [_chart("LINE", "curves", metricKey=name, **_LINE) for name in curves]
    pictures = [_chart("IMAGE", "samples", imageKeys=["samples"], step=last, showRunParams=False)]
    return [*lines, *pictures], list(_sections(["curves", "samples"]))


_LINE = {
    "lineSmoothness": 0,
    "xAxisScaleType": "linear",
    "scaleType": "linear",
    "range": {},
    "xAxisKey": "step",
    "yAxisKey": "metric",
    "yAxisExpressions": [],
    "useGlobalXaxisKey": True,
    "useGlobalLineSmoothing": True,
}


def _chart(kind: str, section: str, **settings: Any) -> Mapping[str, Any]:
    identity = sha256(f"{section} {settings}".encode()).hexdigest()[:16]
    common = {"uuid": identity, "metricSectionId": section, "runsCountToCompare": 10, "deleted": False}
    return {"type": kind, **common, "isGenerated": False, **settings}


def _sections(names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for name in names:
        yield {"uuid": name, "name": name, "display": True, "isReordered": True, "deleted": False, "isGenerated": False}
