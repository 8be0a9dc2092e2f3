"""Record each variant as one MLflow run."""

import json
import os
import socket
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import psutil
from filelock import FileLock

from ganfreeze import events
from ganfreeze.errors import BadInput, interruption
from ganfreeze.record import mlflow_client, pictures
from ganfreeze.record.report import run_tables
from ganfreeze.record.tracker.base import Tracker

_BUFFERED_METRICS, _BUFFERED_SECONDS = 500, 2.0  # one call takes 7 ms for 1 metric, and 119 ms for 1,000
_SYSTEM_METRICS_SECONDS = 2
_METRICS_IN_A_CALL, _PARAMETERS_IN_A_CALL = 1000, 100  # as many as a server accepts


class Mlflow(Tracker):
    """A run in `experiment` of the server at `uri`, or of the SQLite store in the folder `store` if `uri` is None.

    Everything is written synchronously, because MLflow's asynchronous writes are lost if the process is killed. Metrics
    are gathered, and written together when 500 have come or two seconds have passed.
    """

    def __init__(self, *, store: str, uri: str | None = None, experiment: str = "ganfreeze") -> None:
        self._store, self._uri, self._experiment = store, mlflow_client.tracking_uri(uri, store), experiment
        self._run: str | None = None
        self._monitor: Any = None
        self._metrics: list[Any] = []
        self._flushed = time.monotonic()

    def __enter__(self) -> Self:
        self._open_store()
        self._end_dead_runs()
        return self

    def write(self, event: events.Event) -> None:
        match event:
            case events.Described():
                self._begin(event)
            case events.Chosen(parameters, why):
                self._log_parameters(parameters)
                self._client.set_tag(self._run, "execution", why)
            case events.Prepared(facts, cards):
                self._log_parameters({f"evaluator.{key}": value for key, value in facts.items()})
                for name, card in cards.items():
                    self._client.set_tag(self._run, mlflow_client.CARD_TAG + name, json.dumps(card))
            case events.Audited(tags, ledger, table):
                for key, value in tags.items():
                    self._client.set_tag(self._run, key, value)
                self._client.log_dict(self._run, ledger, "audit.json")
                self._client.log_text(self._run, table, "audit.txt")
            case events.Certified(tags, folder):
                for key, value in tags.items():
                    self._client.set_tag(self._run, key, value)
                self._client.log_artifacts(self._run, str(folder), "certificate")
            case events.Measured(step, metrics):
                self._gather(step, metrics)
            case events.Sampled(step, name, examples):
                picture = pictures.picture(examples)
                self._client.log_image(self._run, picture, key=name, step=step, synchronous=True)
            case events.Saved(_, folder):
                self._client.log_artifacts(self._run, str(folder), "weights")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run is None:
            return
        status = _status(error)
        try:
            if self._monitor:
                self._end_monitor()
            self._flush()
            if status == "FAILED":
                lines = traceback.format_exception(kind, error, trace)
                self._client.log_text(self._run, "".join(lines), "traceback.txt")
        except BaseException as write_error:  # such as a full disk: the run must not stay RUNNING
            status = _status(write_error)
            raise
        finally:
            self._client.set_terminated(self._run, status)

    def amend(self, run: str, evaluated: events.Evaluated) -> None:
        from mlflow.entities import Metric

        if mlflow_client.CARD_TAG + evaluated.name in self._client.get_run(run).data.tags:
            return  # the name says the protocol, and the same protocol gives the same metrics
        now, values = int(time.time() * 1000), {}
        for metric, (mean, spread) in evaluated.summary().items():
            values[f"{evaluated.name}/{metric}"] = mean
            if spread is not None:
                values[f"{evaluated.name}/{metric}_spread"] = spread
        record = {"card": evaluated.card, "by_seed": evaluated.by_seed}
        self._client.log_dict(run, record, f"evaluations/{evaluated.name}.json")
        metrics = [Metric(key, value, now, evaluated.step) for key, value in values.items()]
        self._client.log_batch(run, metrics=metrics, synchronous=True)
        self._client.set_tag(run, mlflow_client.CARD_TAG + evaluated.name, json.dumps(evaluated.card))

    def close_sweep(self, sweep: str) -> str:
        self._open_store()
        self._end_dead_runs()
        runs = mlflow_client.sweep(self._uri, sweep)
        if not runs:
            return ""
        for run in runs:
            self._client.set_tag(run.id, "mlflow.note.content", run_tables.links(run, runs))
        remote = self._uri.startswith("http")
        server = self._uri.rstrip("/") if remote else "http://127.0.0.1:5000"
        serve = "" if remote else f"\nTo serve this page: mlflow server --backend-store-uri {self._uri}"
        return f"{run_tables.sweep_table(runs)}\nCompare: {server}/{run_tables.compare_page(runs)}{serve}"

    def _open_store(self) -> None:
        """Connect to the store. The first job of several creates it and the experiment; the others wait.

        Raises:
            BadInput: the store cannot be created or reached, or the experiment was deleted.
        """
        file = mlflow_client.sqlite_file(self._uri)
        if file is None:
            self._open_experiment(artifacts=None)
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(file.parent / ".lock")
            lock.acquire()
        except OSError as error:
            raise BadInput(f"paths.mlruns={self._store}: {file.parent} cannot be written ({error})") from error
        try:
            self._open_experiment(artifacts=(file.parent.resolve() / "artifacts").as_uri())
        finally:
            lock.release()

    def _open_experiment(self, artifacts: str | None) -> None:
        self._client = mlflow_client.client(self._uri)
        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment and experiment.lifecycle_stage != "active":
            raise BadInput(f"tracker.experiment={self._experiment} was deleted: restore it, or choose another name")
        self._experiment_id = (
            experiment.experiment_id if experiment else self._client.create_experiment(self._experiment, artifacts)
        )

    def _begin(self, described: events.Described) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        tags = {
            **described.tags,
            **{f"version.{package}": version for package, version in described.versions.items()},
            "ganfreeze.process": json.dumps([socket.gethostname(), os.getpid(), psutil.Process().create_time()]),
        }
        name = tags.pop("mlflow.runName", None)
        run = self._client.create_run(self._experiment_id, tags=tags, run_name=name)
        self._run = run.info.run_id
        self._log_parameters(described.parameters)
        self._client.log_text(self._run, described.config, "config.yaml")
        data = described.dataset
        profile = {"train": len(data.train.examples), "test": len(data.test.examples), "sha256": data.digest}
        shape = {"image_shape": data.example_shape, "classes": data.classes}
        entity = Dataset(
            data.name,
            data.digest[:36],  # MLflow accepts no more; the profile has all digits
            source_type="local",
            source=json.dumps({"uri": data.source}),
            schema=json.dumps(shape),
            profile=json.dumps(profile),
        )
        self._client.log_inputs(self._run, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])
        self._monitor = SystemMetricsMonitor(
            self._run, sampling_interval=_SYSTEM_METRICS_SECONDS, tracking_uri=self._uri
        )
        self._monitor.start()

    def _end_monitor(self) -> None:
        """End the monitor, and write its last sample, which `finish` drops: a run of two seconds has no other."""
        self._monitor.finish()
        self._monitor.publish_metrics(self._monitor.aggregate_metrics())
        self._monitor.mlflow_logger.flush()

    def _log_parameters(self, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        parameters = [Param(key, str(value)) for key, value in values.items()]
        for start in range(0, len(parameters), _PARAMETERS_IN_A_CALL):
            batch = parameters[start : start + _PARAMETERS_IN_A_CALL]
            self._client.log_batch(self._run, params=batch, synchronous=True)

    def _gather(self, step: int, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._metrics += [Metric(key, float(value), now, step) for key, value in metrics.items()]
        if len(self._metrics) >= _BUFFERED_METRICS or time.monotonic() - self._flushed > _BUFFERED_SECONDS:
            self._flush()

    def _flush(self) -> None:
        for start in range(0, len(self._metrics), _METRICS_IN_A_CALL):
            batch = self._metrics[start : start + _METRICS_IN_A_CALL]
            self._client.log_batch(self._run, metrics=batch, synchronous=True)
        self._metrics, self._flushed = [], time.monotonic()

    def _end_dead_runs(self) -> None:
        """End as KILLED the runs whose process on this machine died before it could end them."""
        for run in self._client.search_runs([self._experiment_id], "attributes.status = 'RUNNING'"):
            process = run.data.tags.get("ganfreeze.process")
            if process and _is_dead(*json.loads(process)):
                self._client.set_terminated(run.info.run_id, "KILLED")


def _status(error: BaseException | None) -> str:
    """Return the status of a run that ended with this exception, or with none."""
    return "FINISHED" if error is None else "KILLED" if interruption(error) else "FAILED"


def _is_dead(host: str, pid: int, created: float) -> bool:
    """Return whether this process ran on this machine, and is gone.

    A later process may have the same number: it was created at another time. The clock may be set, so times may differ
    by a minute.
    """
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - created) > 60
    except psutil.NoSuchProcess:
        return True
