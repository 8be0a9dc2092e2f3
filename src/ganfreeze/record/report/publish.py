"""Keep a report in the MLflow store, on a run of its own."""

from pathlib import Path

from ganfreeze.record import mlflow_client

REPORT_TAG = "ganfreeze.report"


def publish(uri: str, experiment: str, name: str, folder: Path, note: str) -> str:
    """Keep the files of `folder` on the run "report NAME" of an experiment. Return the id of this run.

    If there is one already, its files are replaced. `note` is shown as the run's description.
    """
    client = mlflow_client.client(uri)
    found = client.search_runs([experiment], f"tags.`{REPORT_TAG}` = '{name}'")
    run = found[0] if found else client.create_run(experiment, tags={REPORT_TAG: name}, run_name=f"report {name}")
    client.log_artifacts(run.info.run_id, str(folder), "report")
    client.set_tag(run.info.run_id, "mlflow.note.content", note)
    client.set_terminated(run.info.run_id)
    return run.info.run_id
