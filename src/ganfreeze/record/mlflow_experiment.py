"""Open an MLflow store and the experiment in it, and mark its runs that died as KILLED."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from ganfreeze.errors import BadInput
from ganfreeze.record import mlflow_client, run_folder, store_address
from ganfreeze.record.delivered import Target

ID_TAG, FOLDER_TAG, HEARTBEAT_TAG = "ganfreeze.id", "ganfreeze.folder", "ganfreeze.heartbeat"
_DEAD_AFTER = 600.0  # seconds without a heartbeat


def open_experiment(target: Target) -> tuple[Any, str]:
    """Return a client of the store, and the id of the experiment. The first of several jobs makes what is missing.

    Raises:
        BadInput: the experiment was deleted, or the folder of the store cannot be made.
        Exception: the store cannot be reached.
    """
    file = store_address.sqlite_file(target.uri)
    if file is None:
        return _open_experiment(target, artifacts=None)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"paths.mlruns={target.store}: {file.parent} cannot be written ({error})") from error
    with FileLock(file.parent / ".lock", timeout=60):
        if not file.exists():
            make_store(file)
        return _open_experiment(target, artifacts=(file.parent.resolve() / "artifacts").as_uri())


def make_store(file: Path) -> None:
    """Make a SQLite store, whole or not at all: MLflow cannot go on where it was killed while it made the tables."""
    unfinished = file.parent / f".{file.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    mlflow_client.library().MlflowClient(store_address.tracking_uri(None, str(unfinished))).search_experiments()
    (unfinished / "mlflow.db").replace(file)
    unfinished.rmdir()


def _open_experiment(target: Target, artifacts: str | None) -> tuple[Any, str]:
    store_address.require_server(target.uri)
    client = mlflow_client.library().MlflowClient(target.uri)

    def find_or_create() -> str:
        found = client.get_experiment_by_name(target.experiment)
        if found and found.lifecycle_stage != "active":
            raise BadInput(f"tracker.experiment={target.experiment} was deleted: restore it, or choose another name")
        return found.experiment_id if found else client.create_experiment(target.experiment, artifacts)

    return client, mlflow_client.again_if_raced(find_or_create)


def end_dead_runs(client: Any, experiment: str) -> None:
    """End as KILLED the runs whose processes died before they could end them.

    A run may end while this looks at it. It lets its folder go after that, so its status is read once more.
    """
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        identity, tags = run.info.run_id, run.data.tags
        is_dead = ID_TAG in tags and _is_dead(tags, started=run.info.start_time / 1000)
        if is_dead and client.get_run(identity).info.status == "RUNNING":
            client.set_terminated(identity, "KILLED")


def _is_dead(tags: Mapping[str, str], started: float) -> bool:
    """Return whether nobody holds the run's folder, if it is here, or else whether its heart has stopped."""
    folder = Path(tags.get(FOLDER_TAG, ""))
    if run_folder.id_of(folder) == tags[ID_TAG]:
        return not run_folder.is_held(folder)
    beat = tags.get(HEARTBEAT_TAG, "")
    return time.time() - (int(beat) if beat.isdigit() else started) > _DEAD_AFTER
