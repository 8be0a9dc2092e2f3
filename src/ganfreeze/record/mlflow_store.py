"""What MLflow holds, as plain records."""

import json
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ganfreeze.errors import BadInput
from ganfreeze.evaluation.protocol_card import Card

SWEEP_TAG = "ganfreeze.sweep"
CARD_TAG = "card."  # and the name that the figures of this protocol begin with
_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")


class Run(NamedTuple):
    """A recorded run: its last metrics, how it ended, what the audit found, "" where there was none, and the protocols
    of its figures, by the name that these begin with."""

    id: str
    experiment: str
    name: str
    status: str
    metrics: Mapping[str, float]
    audit: str = ""
    cards: Mapping[str, Card] = MappingProxyType({})


def tracking_uri(uri: str | None, store: str) -> str:
    """`uri`, or the SQLite store in the folder `store`.

    Raises:
        BadInput: nothing that MLflow keeps runs in has such an address, or it holds a password.
    """
    if uri is None:
        return f"sqlite:///{(Path(store) / 'mlflow.db').resolve()}"
    address = urlsplit(uri)
    if address.scheme.partition("+")[0] not in _SCHEMES:
        raise BadInput(f"tracker.uri={uri}: must be an address that begins with one of {', '.join(_SCHEMES)}")
    if address.password and address.scheme in ("http", "https"):
        raise BadInput(
            "tracker.uri must hold no password, for it is recorded; set the environment variables "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
    return uri


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store, or None for another kind of store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


class Recorded(NamedTuple):
    """A run that is over: what it was made of, its config as YAML, its weights' folder, and its data's SHA-256."""

    run: Run
    parameters: Mapping[str, str]
    config: str
    weights: Path
    digest: str


def recorded(uri: str, run: str) -> Recorded:
    """What is kept of a run.

    Raises:
        BadInput: there is no such run, or it did not get as far as saving its weights.
    """
    config = artifacts(uri, run, "config.yaml").read_text()
    found = client(uri).get_run(run)
    (data,) = found.inputs.dataset_inputs
    return Recorded(
        run=_run(found),
        parameters=found.data.params,
        config=config,
        weights=artifacts(uri, run, "weights"),
        digest=json.loads(data.dataset.profile)["sha256"],
    )


def require_over(uri: str, run: str) -> None:
    """Raise BadInput where a run goes on."""
    if client(uri).get_run(run).info.status == "RUNNING":
        raise BadInput(f"run={run} is still running: it can be evaluated when it is over")


def sweep(uri: str, name: str) -> list[Run]:
    """The runs that carry the tag of this sweep, in the order they began."""
    reader = client(uri)
    experiments = [experiment.experiment_id for experiment in reader.search_experiments()]
    found = reader.search_runs(experiments, f"tags.`{SWEEP_TAG}` = '{name}'", order_by=["attributes.start_time ASC"])
    return [_run(each) for each in found]


def _run(found: Any) -> Run:
    tags = found.data.tags
    return Run(
        id=found.info.run_id,
        experiment=found.info.experiment_id,
        name=found.info.run_name,
        status=found.info.status,
        metrics=found.data.metrics,
        audit=tags.get("audit", ""),
        cards={key.removeprefix(CARD_TAG): json.loads(tags[key]) for key in tags if key.startswith(CARD_TAG)},
    )


def artifacts(uri: str, run: str, path: str) -> Path:
    """A local copy of an artifact file or folder of a run.

    Raises:
        BadInput: there is no such store or run, or the run has no such artifact.
    """
    if (file := sqlite_file(uri)) and not file.exists():
        raise BadInput(f"there is no MLflow store at {file}. Set mlruns=FOLDER or uri=ADDRESS.")
    from mlflow.exceptions import MlflowException

    try:
        return Path(client(uri).download_artifacts(run, path))
    except (MlflowException, OSError) as error:
        raise BadInput(f"run {run} in {uri} has no artifact {path}: {error}") from error


def client(uri: str) -> Any:
    """An MLflow client that sends no telemetry and speaks up only when something is wrong.

    Raises:
        BadInput: a server does not answer at that address. MLflow itself would go on trying for minutes.
    """
    address = urlsplit(uri)
    if address.scheme in ("http", "https"):
        try:
            socket.create_connection((address.hostname or "", address.port or address.scheme), timeout=5).close()
        except OSError as error:
            raise BadInput(f"tracker.uri={uri}: no server answers there ({error})") from error
    return library().MlflowClient(uri)


def library() -> Any:
    """The module `mlflow`, imported at first use, and quietly."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import mlflow

    return mlflow
