"""Record each variant as one MLflow run."""

import json
import shlex
import time
from pathlib import Path

from ganfreeze import events
from ganfreeze.errors import one_line
from ganfreeze.record import mlflow_client, mlflow_experiment, mlflow_views, store_address
from ganfreeze.record.delivered import Target
from ganfreeze.record.mlflow_recorder import MlflowRecorder
from ganfreeze.record.report import query, run_tables
from ganfreeze.record.study import Findings
from ganfreeze.record.tracker.base import Recorder, Tracker
from ganfreeze.types import Address, Folder, Rate


class Mlflow(Tracker):
    """A run of MLflow, on a server or in a SQLite store.

    - `store`: the folder of the SQLite store.
    - `uri`: the address of a tracking server or a database, without a password; null: the SQLite store.
    - `experiment`: the MLflow experiment that runs belong to.
    - `patience`: how many seconds the end of a run waits for a store that does not work. `src/sync.py` delivers later.
    - `system_metrics`: whether the processor, memory, disk, network and GPU are measured while a run trains.

    Everything is first written to a journal in the run's own folder, and brought to MLflow from there while the run
    trains. So training neither waits nor stops if MLflow does not work.
    """

    def __init__(
        self,
        *,
        store: Folder,
        uri: Address | None = None,
        experiment: str = "ganfreeze",
        patience: Rate = 60.0,
        system_metrics: bool = False,
    ) -> None:
        self._target = Target(store_address.tracking_uri(uri, store), experiment, store)
        self._patience, self._system_metrics = patience, system_metrics

    def recorder(self, folder: Path) -> Recorder:
        return MlflowRecorder(folder, self._target, self._patience, system_metrics=self._system_metrics)

    def amend(self, run: str, evaluated: events.Evaluated) -> None:
        from mlflow.entities import Metric

        client, _ = mlflow_experiment.open_experiment(self._target)
        if mlflow_client.CARD_TAG + evaluated.name in client.get_run(run).data.tags:
            return  # the name says the protocol, and the same protocol gives the same metrics
        now, values = int(time.time() * 1000), {}
        for metric, (mean, spread) in evaluated.summary().items():
            values[f"{evaluated.name}/{metric}"] = mean
            if spread is not None:
                values[f"{evaluated.name}/{metric}_spread"] = spread
        record = {"card": evaluated.card, "by_seed": evaluated.by_seed}
        client.log_dict(run, record, f"evaluations/{evaluated.name}.json")
        metrics = [Metric(key, value, now, evaluated.step) for key, value in values.items()]
        client.log_batch(run, metrics=metrics, synchronous=True)
        client.set_tag(run, mlflow_client.CARD_TAG + evaluated.name, json.dumps(evaluated.card))

    def close_search(self, sweep: str, findings: Findings, conclusion: str) -> str:
        from ganfreeze.record.report import search_record  # imports Matplotlib, which training does without

        try:
            client, experiment = mlflow_experiment.open_experiment(self._target)
            run = search_record.record(client, self._target.uri, experiment, sweep, findings, conclusion)
        except Exception as error:  # as in `close_sweep`
            return f"The search cannot be recorded in MLflow: {one_line(error, 300)}"
        return f"In MLflow: the run {run}, with the history of the search"

    def close_sweep(self, sweep: str) -> str:
        from ganfreeze.record.report.summary import summarise  # imports the statistics, which training does without
        from ganfreeze.record.report.sweep_table import sweep_table

        try:
            client, experiment = mlflow_experiment.open_experiment(self._target)
            mlflow_experiment.end_dead_runs(client, experiment)
            recorded = query.of_named_sweep(self._target.uri, sweep)
            if not recorded:
                return ""
            runs = [each.run for each in recorded]
            page = mlflow_views.share(client, experiment, sweep)
            for each in recorded:
                why = each.tags.get(query.DIVERGED_TAG, "")
                note = "\n\n".join(filter(None, [why, run_tables.links(each.run, runs, page)]))
                client.set_tag(each.run.id, "mlflow.note.content", note)
            table = sweep_table(summarise(recorded))
        except Exception as error:  # of MLflow, SQLAlchemy, requests, the file system: there is no table, and no more
            return f"The runs cannot be read from MLflow: {one_line(error, 300)}"
        uri = self._target.uri
        remote = uri.startswith("http")
        server = uri.rstrip("/") if remote else "http://127.0.0.1:5000"
        serve = "" if remote else f"\nTo serve this page: mlflow server --backend-store-uri {shlex.quote(uri)}"
        links = f"Runs: {server}/{page}\nCompare: {server}/{page}&compareRunsMode=CHART"
        return f"{table}\n{links}{serve}"
