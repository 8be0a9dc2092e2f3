"""Bring the records of a journal to an MLflow store: each at least once, and what comes twice changes nothing.

A record of a journal has a number `n`, the time in milliseconds, and a `kind`:

- "begin": make the run; "resume": the run goes on;
- "tags" and "parameters", with their `values`;
- "metrics", with their `values` and `step`;
- "file": a file of the run's folder, to be kept as an artifact in the folder `to`;
- "model": a folder that holds an MLflow model, to be kept as the model `name` of the run, of the step `step`;
- "end": the run ended with this `status`.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from ganfreeze.record import delivered, mlflow_client, mlflow_experiment, store_address
from ganfreeze.record.delivered import Target
from ganfreeze.record.journal import Record
from ganfreeze.record.mlflow_experiment import FOLDER_TAG, HEARTBEAT_TAG, ID_TAG

_FOR_GOOD = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "ENDPOINT_NOT_FOUND")  # an old server knows no models
_VALUES_IN_A_CALL = {"metrics": 1000, "tags": 100, "parameters": 100}  # as many as a server accepts


class Delivery:
    """The way from the journal in `folder` to an MLflow store.

    How far it came, `delivered`, is kept in the folder, for each store.
    """

    def __init__(self, folder: Path, target: Target) -> None:
        self._folder, self._target = folder, target
        self.delivered = delivered.read(folder, target.uri)
        self._client: Any = None

    def connect(self) -> None:
        """Open the store and the experiment, and mark runs that died as KILLED.

        Raises:
            BadInput: the experiment was deleted, or the folder of the store cannot be made.
            Exception: the store cannot be reached.
        """
        self._client, self._experiment = mlflow_experiment.open_experiment(self._target)
        self.end_dead_runs()

    def send(self, records: Sequence[Record]) -> Iterator[Record]:
        """Deliver records in order; yield those that the store refuses for good.

        Raises:
            Exception: the store cannot be reached, or does not work. The records that came before are delivered.
        """
        store_address.require_server(self._target.uri)  # this fails sooner, and says more, than a call of MLflow
        if self._client is None:
            self.connect()
        from mlflow.exceptions import MlflowException

        for group in _groups(records):
            try:
                if "path" in group[0] and not (self._folder / group[0]["path"]).exists():
                    yield group[0]
                else:
                    mlflow_client.again_if_raced(partial(self._send, group))
            except MlflowException as error:
                if error.error_code not in _FOR_GOOD:
                    raise
                if len(group) > 1:  # one of them is refused, and the others need not be
                    for record in group:
                        yield from self.send([record])
                    continue
                yield group[0]
            self.delivered = self.delivered._replace(n=group[-1]["n"])
            delivered.note(self._folder, self._target.uri, self.delivered)

    def end_dead_runs(self) -> None:
        """Mark the runs of the experiment whose processes died as KILLED."""
        mlflow_experiment.end_dead_runs(self._client, self._experiment)

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
            case "model":
                self._log_model(first)
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

    def _log_model(self, record: Record) -> None:
        """Log a model of the run, or what an earlier attempt left of it."""
        from mlflow.entities import LoggedModelOutput

        run, name = self.delivered.run, record["name"]
        found = self._client.search_logged_models([self._experiment], f"source_run_id = '{run}' AND name = '{name}'")
        model = found[0] if found else self._client.create_logged_model(self._experiment, name, run)
        self._client.log_model_artifacts(model.model_id, str(self._folder / record["path"]))
        self._client.finalize_logged_model(model.model_id, "READY")
        outputs = self._client.get_run(run).outputs
        if model.model_id not in [each.model_id for each in (outputs.model_outputs if outputs else ())]:
            self._client.log_outputs(run, [LoggedModelOutput(model.model_id, record["step"])])


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
