"""Bring the records of a journal to an MLflow store: each at least once, and what comes twice changes nothing.

A record of a journal has a number `n`, the time in milliseconds, and a `kind`:

- "begin": make the run; "resume": the run goes on;
- "tags" and "parameters", with their `values`;
- "metrics", with their `values` and `step`;
- "file": a file of the run's folder, to be kept as an artifact in the folder `to`;
- "end": the run ended with this `status`.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from ganfreeze.errors import BadInput
from ganfreeze.evaluation.cache import write
from ganfreeze.record import mlflow_client, run_folder
from ganfreeze.record.journal import Record

ID_TAG, FOLDER_TAG, HEARTBEAT_TAG = "ganfreeze.id", "ganfreeze.folder", "ganfreeze.heartbeat"
_VALUES_IN_A_CALL = {"metrics": 1000, "tags": 100, "parameters": 100}  # as many as a server accepts
_DEAD_AFTER = 600.0  # seconds without a heartbeat


class Target(NamedTuple):
    """An MLflow store, and the experiment in it: `store` is the folder of a SQLite store, as the user wrote it."""

    uri: str
    experiment: str
    store: str


class Delivered(NamedTuple):
    """How far a journal was delivered: the id of the MLflow run, "" if there is none yet, and the last record."""

    run: str = ""
    n: int = 0


class Delivery:
    """The way from the journal in `folder` to an MLflow store.

    How far it came, `delivered`, is kept in the folder, for each store.
    """

    def __init__(self, folder: Path, target: Target) -> None:
        self._folder, self._target = folder, target
        self._file = folder / "delivered.json"
        self.delivered = delivered(folder, target.uri)
        self._client: Any = None

    def connect(self) -> None:
        """Open the store and the experiment, and mark runs that died as KILLED.

        Raises:
            BadInput: the experiment was deleted, or the folder of the store cannot be made.
            Exception: the store cannot be reached.
        """
        self._client, self._experiment = open_experiment(self._target)
        self.end_dead_runs()

    def send(self, records: Sequence[Record]) -> Iterator[Record]:
        """Deliver records in order; yield those that the store refuses for good.

        Raises:
            Exception: the store cannot be reached, or does not work. The records that came before are delivered.
        """
        mlflow_client.require_server(self._target.uri)  # this fails sooner, and says more, than a call of MLflow
        if self._client is None:
            self.connect()
        from mlflow.exceptions import MlflowException

        for group in _groups(records):
            try:
                if group[0]["kind"] == "file" and not (self._folder / group[0]["path"]).exists():
                    yield group[0]
                else:
                    self._send(group)
            except MlflowException as error:
                if error.error_code not in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
                    raise
                if len(group) > 1:  # one of them is refused, and the others need not be
                    for record in group:
                        yield from self.send([record])
                    continue
                yield group[0]
            self.delivered = self.delivered._replace(n=group[-1]["n"])
            self._note()

    def end_dead_runs(self) -> None:
        """Mark the runs of the experiment whose processes died as KILLED."""
        end_dead_runs(self._client, self._experiment)

    def beat(self) -> None:
        """Say that the run is alive; and that it runs, should another process have taken it for dead."""
        self._client.set_tag(self.delivered.run, HEARTBEAT_TAG, f"{time.time():.0f}")
        if self._client.get_run(self.delivered.run).info.status != "RUNNING":
            self._client.update_run(self.delivered.run, status="RUNNING")

    def _send(self, group: Sequence[Record]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        first, run = group[0], self.delivered.run
        match first["kind"]:
            case "begin":
                self._begin(first)
            case "resume":
                self._client.update_run(run, status="RUNNING")
            case "tags":
                tags = [RunTag(key, str(value)) for record in group for key, value in record["values"].items()]
                self._client.log_batch(run, tags=tags, synchronous=True)
            case "parameters":
                parameters = [Param(key, str(value)) for record in group for key, value in record["values"].items()]
                self._client.log_batch(run, params=parameters, synchronous=True)
            case "metrics":
                metrics = [
                    Metric(key, value, record["time"], record["step"])
                    for record in group
                    for key, value in record["values"].items()
                ]
                self._client.log_batch(run, metrics=metrics, synchronous=True)
            case "file":
                self._client.log_artifact(run, str(self._folder / first["path"]), first["to"] or None)
            case "end":
                self._client.set_terminated(run, first["status"], first["time"])

    def _begin(self, record: Record) -> None:
        """Make the run, unless an earlier attempt made it and died before it noted the id."""
        found = self._client.search_runs([self._experiment], f"tags.`{ID_TAG}` = '{record['id']}'")
        tags = {ID_TAG: record["id"], FOLDER_TAG: str(self._folder.resolve())}
        run = (
            found[0]
            if found
            else self._client.create_run(self._experiment, record["time"], tags=tags, run_name=record["name"])
        )
        self.delivered = self.delivered._replace(run=run.info.run_id)
        self._client.log_inputs(run.info.run_id, [_dataset_input(record["dataset"])])

    def _note(self) -> None:
        """Write how far the journal was delivered. If the disk is full, records will be delivered once more."""
        known = _all_delivered(self._folder)
        try:
            write(self._file, json.dumps({**known, self._target.uri: self.delivered}).encode())
        except OSError:
            return


def note_target(folder: Path, target: Target) -> None:
    """Write to the folder of a run which store its journal is to be delivered to. Raises OSError."""
    write(folder / "target.json", json.dumps(target).encode())


def target(folder: Path) -> Target:
    """Return which store the journal in a folder is to be delivered to. Raises OSError or ValueError."""
    return Target(*json.loads((folder / "target.json").read_text()))


def delivered(folder: Path, uri: str) -> Delivered:
    """Return how far the journal in `folder` was delivered to a store."""
    return Delivered(*_all_delivered(folder).get(uri, ()))


def folder_of(state: Path, run: str) -> Path | None:
    """Return the folder of a run, by the folder's name or by the run's id in a store; None if it is not in `state`."""
    return next((path for path in run_folder.folders(state) if run in (path.name, *_run_ids(path))), None)


def _run_ids(folder: Path) -> Sequence[str]:
    return [run for run, _ in _all_delivered(folder).values()]


def _all_delivered(folder: Path) -> Mapping[str, Any]:
    try:
        noted = dict(json.loads((folder / "delivered.json").read_text()))
        return {uri: [str(run), int(n)] for uri, (run, n) in noted.items()}
    except (OSError, ValueError, TypeError):
        return {}


def open_experiment(target: Target) -> tuple[Any, str]:
    """Return a client of the store, and the id of the experiment. The first of several jobs makes what is missing.

    Raises:
        BadInput: the experiment was deleted, or the folder of the store cannot be made.
        Exception: the store cannot be reached.
    """
    file = mlflow_client.sqlite_file(target.uri)
    if file is None:
        return _open_experiment(target, artifacts=None)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"paths.mlruns={target.store}: {file.parent} cannot be written ({error})") from error
    with FileLock(file.parent / ".lock", timeout=60):
        return _open_experiment(target, artifacts=(file.parent.resolve() / "artifacts").as_uri())


def _open_experiment(target: Target, artifacts: str | None) -> tuple[Any, str]:
    mlflow_client.require_server(target.uri)
    client = mlflow_client.library().MlflowClient(target.uri)
    experiment = client.get_experiment_by_name(target.experiment)
    if experiment and experiment.lifecycle_stage != "active":
        raise BadInput(f"tracker.experiment={target.experiment} was deleted: restore it, or choose another name")
    return client, experiment.experiment_id if experiment else client.create_experiment(target.experiment, artifacts)


def end_dead_runs(client: Any, experiment: str) -> None:
    """End as KILLED the runs whose processes died before they could end them."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        if ID_TAG in run.data.tags and _is_dead(run.data.tags, started=run.info.start_time / 1000):
            client.set_terminated(run.info.run_id, "KILLED")


def _is_dead(tags: Mapping[str, str], started: float) -> bool:
    """Return whether nobody holds the run's folder, if it is here, or else whether its heart has stopped."""
    folder = Path(tags.get(FOLDER_TAG, ""))
    if run_folder.id_of(folder) == tags[ID_TAG]:
        return not run_folder.is_held(folder)
    beat = tags.get(HEARTBEAT_TAG, "")
    return time.time() - (int(beat) if beat.isdigit() else started) > _DEAD_AFTER


def _groups(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Yield the records that go into one call: neighbours with values of one kind, as many as a server accepts."""
    for kind, neighbours in groupby(records, key=lambda record: record["kind"]):
        most = _VALUES_IN_A_CALL.get(kind, 0)
        group: list[Record] = []
        for record in neighbours:
            if group and sum(len(each.get("values", [0])) for each in (*group, record)) > most:
                yield group
                group = []
            group.append(record)
        yield group


def _dataset_input(data: Mapping[str, Any]) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    entity = Dataset(
        data["name"],
        data["sha256"][:36],  # MLflow accepts no more; the profile has all digits
        source_type="local",
        source=json.dumps({"uri": data["source"]}),
        schema=json.dumps({"image_shape": data["image_shape"], "classes": data["classes"]}),
        profile=json.dumps({"train": data["train"], "test": data["test"], "sha256": data["sha256"]}),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training")])
