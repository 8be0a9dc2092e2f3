"""Record a search as a run of its own: its best values, its history as metrics and a picture, a table of its trials."""

import tempfile
from itertools import accumulate
from pathlib import Path
from typing import Any

from ganfreeze.record.mlflow_client import STUDY_TAG, TRIAL_TAG
from ganfreeze.record.report import charts, formats
from ganfreeze.record.report.publish import publish
from ganfreeze.record.study import Findings


def record(client: Any, uri: str, experiment: str, sweep: str, found: Findings, conclusion: str) -> str:
    """Record a search, in place of an earlier record of it. Return the id of the run."""
    values = {trial.number: trial.value for trial in found.trials if trial.value is not None}
    best = list(accumulate(values.values(), max if found.larger_is_better else min))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "trials.csv").write_text(_table(found))
        if values:
            (Path(folder) / "history.png").write_bytes(charts.history(found.figure, values, best))
        run = publish(uri, experiment, f"search {sweep}", Path(folder), f"{conclusion}\n")
    client.set_tag(run, STUDY_TAG, sweep)
    for (number, value), so_far in zip(values.items(), best, strict=True):
        client.log_metric(run, found.figure, value, step=number)
        client.log_metric(run, f"best/{found.figure}", so_far, step=number)
    for key, share in found.importances.items():
        client.log_metric(run, f"importance/{key}", share)
    if found.best is not None:
        client.set_tag(run, TRIAL_TAG, str(found.best))
        for key, value in found.trials[found.best].values.items():
            client.log_param(run, key, value)
    return run


def _table(found: Findings) -> str:
    keys = list(dict.fromkeys(key for trial in found.trials for key in trial.values))
    rows = [
        [
            trial.number,
            trial.state,
            "" if trial.value is None else trial.value,
            *(trial.values.get(key, "") for key in keys),
            " ".join(map(str, trial.figures)),
            trial.why,
        ]
        for trial in found.trials
    ]
    return formats.comma_separated(["trial", "state", found.figure, *keys, "by seed", "why"], rows)
