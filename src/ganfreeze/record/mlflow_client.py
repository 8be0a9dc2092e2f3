"""Read an MLflow store: its runs as plain records, and their files."""

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from ganfreeze.errors import BadInput
from ganfreeze.evaluation.protocol_card import Card, is_glance
from ganfreeze.record.store_address import require_server, require_store

_Result = TypeVar("_Result")

SWEEP_TAG, JOB_TAG = "ganfreeze.sweep", "ganfreeze.job"  # of the runs of a sweep: its name, and their numbers in it
WEIGHTS_TAG = "weights.sha256"  # of a run that ended: the digest of both networks' final weights
# Of the runs of a search: its name, and the number of the trial. The record of the search has the best trial.
STUDY_TAG, TRIAL_TAG = "ganfreeze.study", "ganfreeze.trial"
STEPS_TAG = "ganfreeze.steps"  # of a run that was made longer: its steps now, since a parameter cannot change
CARD_TAG = "card."  # followed by the first part of the metrics' names: "card.classifier" of "classifier/fid"


class Run(NamedTuple):
    """A recorded run.

    `status` says how it ended; `metrics` holds the last value of each metric; `audit` is the verdict of the audit, ""
    if there was none. `cards` holds the protocol cards of its metrics, by the first part of the metrics' names. Glances
    are left out; `histories` has their metrics.
    """

    id: str
    experiment_id: str
    name: str
    status: str
    metrics: Mapping[str, float]
    audit: str = ""
    cards: Mapping[str, Card] = MappingProxyType({})


class FinishedRun(NamedTuple):
    """A run that saved its weights.

    `parameters` and `tags` are those that it recorded; `config` is its config as YAML, `weights` the folder with its
    weights, and `digest` the SHA-256 of its data.
    """

    run: Run
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    config: str
    weights: Path
    digest: str


def parameters(data: Any) -> Mapping[str, str]:
    """Return the parameters of a run; `data` is what MLflow holds of it. `steps` are those of a run as it is now."""
    return {**data.params, **({"steps": data.tags[STEPS_TAG]} if STEPS_TAG in data.tags else {})}


def finished_run(uri: str, run: str) -> FinishedRun:
    """Read the run with the id `run`.

    Raises:
        BadInput: there is no such run, or it ended before it saved its weights.
    """
    config = artifacts(uri, run, "config.yaml").read_text()
    recorded = client(uri).get_run(run)
    datasets = recorded.inputs.dataset_inputs
    if len(datasets) != 1:
        raise BadInput(f"run={run} has {len(datasets)} data sets recorded, not one: it is no run of src/train.py")
    return FinishedRun(
        run=run_of(recorded),
        parameters=parameters(recorded.data),
        tags=recorded.data.tags,
        config=config,
        weights=artifacts(uri, run, "weights"),
        digest=json.loads(datasets[0].dataset.profile)["sha256"],
    )


def histories(uri: str, run: str) -> Mapping[str, list[tuple[int, float]]]:
    """Return all values of each metric of the run with the id `run`, with their steps."""
    reader = client(uri)
    names = reader.get_run(run).data.metrics
    return {name: [(each.step, each.value) for each in reader.get_metric_history(run, name)] for name in names}


def require_over(uri: str, run: str) -> None:
    """Raise BadInput if the run with the id `run` is still running."""
    if client(uri).get_run(run).info.status == "RUNNING":
        raise BadInput(f"run={run} is still running: it can be evaluated when it is over")


def run_of(recorded: Any) -> Run:
    """Return MLflow's record of a run as a plain one."""
    tags = recorded.data.tags
    return Run(
        id=recorded.info.run_id,
        experiment_id=recorded.info.experiment_id,
        name=recorded.info.run_name,
        status=recorded.info.status,
        metrics={name: value for name, value in recorded.data.metrics.items() if not is_glance(name)},
        audit=tags.get("audit", ""),
        cards={
            name: json.loads(tags[key])
            for key in tags
            if key.startswith(CARD_TAG) and not is_glance(f"{(name := key.removeprefix(CARD_TAG))}/")
        },
    )


def artifacts(uri: str, run: str, path: str) -> Path:
    """Return a local copy of an artifact, a file or a folder, of the run with the id `run`.

    Raises:
        BadInput: there is no such store or run, or the run has no such artifact.
    """
    require_store(uri)
    from mlflow.exceptions import MlflowException

    try:
        return Path(client(uri).download_artifacts(run, path))
    except (MlflowException, OSError) as error:
        raise BadInput(f"run {run} in {uri} has no artifact {path}: {error}") from error


def client(uri: str) -> Any:
    """Return an MLflow client that sends no telemetry, and logs warnings and errors only.

    Raises:
        BadInput: no server answers at that address. MLflow itself would keep trying for minutes.
    """
    try:
        require_server(uri)
    except OSError as error:
        raise BadInput(f"uri={uri}: no server answers there ({error})") from error
    return library().MlflowClient(uri)


def again_if_raced(call: Callable[[], _Result]) -> _Result:
    """Return what `call` returns. If the store refuses it, call once more.

    If two runs begin at once, both add the same row, such as that of their experiment or data set. The database accepts
    the first, and MLflow finds this row at the second attempt.
    """
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        if error.error_code not in ("BAD_REQUEST", "RESOURCE_ALREADY_EXISTS"):
            raise
        return call()


def library() -> Any:
    """Return the module `mlflow`, imported at the first call, without telemetry and with little log output."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # shown for each file where tqdm is there
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # else a call may take many minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each attempt
    import mlflow

    return mlflow


def load_whole_library() -> None:
    """Import also what MLflow imports later: when a SQLite store is opened, and when a model is written."""
    library()
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_workspace_store
    import mlflow.tensorflow  # noqa: F401
    from sqlalchemy.orm import configure_mappers

    configure_mappers()  # of the store's tables
