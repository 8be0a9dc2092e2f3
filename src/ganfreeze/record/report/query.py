"""Read the runs that a report is on from an MLflow store."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ganfreeze.errors import BadInput, one_line
from ganfreeze.record import mlflow_client
from ganfreeze.record.mlflow_client import JOB_TAG, SWEEP_TAG, Run
from ganfreeze.record.report.comparison import History

EXPERIMENT_TAG, DIVERGED_TAG = "ganfreeze.experiment", "diverged.why"
_PICTURES = "images"


class RecordedRun(NamedTuple):
    """A run with all that a report says of it.

    `seconds` is how long it took, NaN if it has not ended. `measured` names all its metrics, those of glances too.
    """

    run: Run
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    seconds: float
    measured: Collection[str] = ()

    @property
    def seed(self) -> int:
        """The seed of training."""
        seed = self.parameters.get("seed", "0")
        return int(seed) if seed.isdigit() else 0

    @property
    def at_once(self) -> int:
        """How many runs share its time: the seeds of `seeds_at_once`."""
        return int(self.parameters.get("seeds_at_once", 1))

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return self.run.status == "FINISHED"


def of_named_sweep(uri: str, name: str) -> list[RecordedRun]:
    """Return the runs of the sweep with this full name, none if the store has none."""
    return _by_number(_search(uri, f"tags.`{SWEEP_TAG}` = '{name}'"))


def of_sweep(uri: str, sweep: str) -> list[RecordedRun]:
    """Return the runs of a sweep; `sweep` is its name, the last digits of it, or "last" for the newest.

    Raises:
        BadInput: there is no such sweep, or more than one.
    """
    found = _search(uri, f"tags.`{SWEEP_TAG}` LIKE '%{'' if sweep == 'last' else sweep}'")
    names = list(dict.fromkeys(run.tags[SWEEP_TAG] for run in found))  # in the order in which they began
    if not names:
        raise BadInput(f"sweep={sweep}: the store has no run of it; python src/sweeps.py lists the sweeps")
    if len(names) > 1 and sweep != "last":
        raise BadInput(f"sweep={sweep}: is that of several sweeps: {', '.join(names)}")
    return _by_number([run for run in found if run.tags[SWEEP_TAG] == names[-1]])


def _by_number(runs: Sequence[RecordedRun]) -> list[RecordedRun]:
    """Return the runs of a sweep in its order: on a cluster they begin in another one. Old runs have no number."""
    return sorted(runs, key=lambda run: int(run.tags.get(JOB_TAG, "0")))


def of_experiment(uri: str, experiment: str) -> list[RecordedRun]:
    """Return the runs that were trained for an experiment, the oldest first. Raises BadInput if there is none."""
    if found := _search(uri, f"tags.`{EXPERIMENT_TAG}` = '{experiment}'"):
        return found
    command = f"python src/train.py -m experiment={experiment}"
    raise BadInput(f"experiment={experiment}: the store has no run of it; {command} makes them")


def by_id(uri: str, ids: Sequence[str]) -> list[RecordedRun]:
    """Return the runs with these ids. Raises BadInput if one is not there."""
    reader, found = mlflow_client.client(uri), []
    for number in ids:
        try:
            found.append(_recorded(reader.get_run(number)))
        except Exception as error:
            raise BadInput(f"runs={number}: the store has no such run ({error})") from error
    return found


def histories(uri: str, runs: Sequence[RecordedRun], metrics: Sequence[str]) -> list[Mapping[str, History]]:
    """Return the values of some metrics over the steps, for each run; of a step that has two, the later one."""
    reader = mlflow_client.client(uri)
    return [
        {
            metric: sorted({each.step: each.value for each in reader.get_metric_history(run.run.id, metric)}.items())
            for metric in metrics
            if metric in run.measured
        }
        for run in runs
    ]


def pictures(uri: str, run: RecordedRun) -> Mapping[int, str]:
    """Return the artifacts that are pictures of samples, by their steps."""
    files = mlflow_client.client(uri).list_artifacts(run.run.id, _PICTURES)
    names = [
        file.path for file in files if file.path.startswith(f"{_PICTURES}/samples+") and file.path.endswith(".png")
    ]
    return {int(name.split("+")[2]): name for name in names}


def picture(uri: str, run: RecordedRun, path: str) -> Path:
    """Return a local copy of a picture."""
    return mlflow_client.artifacts(uri, run.run.id, path)


def evaluations(uri: str, run: RecordedRun) -> Mapping[str, Mapping[str, float]]:
    """Return the figures that `src/evaluate.py` added to a run, "EVALUATION/METRIC", with a value for each seed."""
    found: dict[str, dict[str, float]] = {}
    for file in mlflow_client.client(uri).list_artifacts(run.run.id, "evaluations"):
        by_seed = json.loads(mlflow_client.artifacts(uri, run.run.id, file.path).read_text())["by_seed"]
        for seed, metrics in by_seed.items():
            for metric, value in metrics.items():
                found.setdefault(f"{Path(file.path).stem}/{metric}", {})[seed] = value
    return found


def why(uri: str, run: RecordedRun) -> str:
    """Return a line on why a run did not finish, "" if nothing tells."""
    if DIVERGED_TAG in run.tags:
        return run.tags[DIVERGED_TAG]
    try:
        lines = mlflow_client.artifacts(uri, run.run.id, "traceback.txt").read_text().strip().splitlines()
    except BadInput:
        return ""
    return one_line(lines[-1], 300) if lines else ""


def _search(uri: str, query: str) -> list[RecordedRun]:
    reader = mlflow_client.client(uri)
    experiments = [experiment.experiment_id for experiment in reader.search_experiments()]
    found, token = [], None
    while True:
        page = reader.search_runs(experiments, query, order_by=["attributes.start_time ASC"], page_token=token)
        found += [_recorded(run) for run in page]
        token = page.token
        if not token:
            return found


def _recorded(run: Any) -> RecordedRun:
    ended, started = run.info.end_time, run.info.start_time
    seconds = (ended - started) / 1000 if ended else float("nan")
    parameters = mlflow_client.parameters(run.data)
    return RecordedRun(mlflow_client.run_of(run), parameters, run.data.tags, seconds, frozenset(run.data.metrics))
