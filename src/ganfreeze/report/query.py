"""What MLflow holds, as plain records."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

SWEEP_TAG = "ganfreeze.sweep"


class Run(NamedTuple):
    """A recorded run: its last metrics, its parameters, and how it ended."""

    id: str
    experiment: str
    name: str
    status: str
    seconds: float | None
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]


def tracking_uri(uri: str | None, store: str) -> str:
    """`uri`, or the SQLite store in the folder `store`."""
    return uri or f"sqlite:///{(Path(store) / 'mlflow.db').resolve()}"


def sweep(uri: str, name: str) -> list[Run]:
    """The runs that carry the tag of this sweep, in the order they began."""
    reader = client(uri)
    experiments = [experiment.experiment_id for experiment in reader.search_experiments()]
    found = reader.search_runs(experiments, f"tags.`{SWEEP_TAG}` = '{name}'", order_by=["attributes.start_time ASC"])
    return [
        Run(
            run.info.run_id,
            run.info.experiment_id,
            run.info.run_name,
            run.info.status,
            (run.info.end_time - run.info.start_time) / 1000 if run.info.end_time else None,
            run.data.metrics,
            run.data.params,
        )
        for run in found
    ]


def artifacts(uri: str, run: str, path: str) -> Path:
    """A local copy of an artifact file or folder of a run.

    Raises:
        LookupError: there is no such run, or it has no such artifact.
    """
    from mlflow.exceptions import MlflowException

    try:
        return Path(client(uri).download_artifacts(run, path))
    except (MlflowException, OSError) as error:
        raise LookupError(f"run {run} in {uri} has no artifact {path}: {error}") from error


def client(uri: str) -> Any:
    """An MLflow client that sends no telemetry and speaks up only when something is wrong."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import mlflow

    return mlflow.MlflowClient(uri)
