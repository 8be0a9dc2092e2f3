"""Keep a report in the MLflow store, on a run of its own."""

from pathlib import Path

from ganfreeze.record import mlflow_client

REPORT_TAG = "ganfreeze.report"


def publish(uri: str, experiment: str, name: str, folder: Path, table: str) -> str:
    """Keep the files of `folder` on the run "report NAME" of an experiment, and `table` as its description.

    An earlier report of this name is deleted. Return the id of the run.
    """
    client = mlflow_client.client(uri)
    earlier = client.search_runs([experiment], f"tags.`{REPORT_TAG}` = '{name}'")
    run = client.create_run(experiment, tags={REPORT_TAG: name}, run_name=f"report {name}")
    try:
        client.log_artifacts(run.info.run_id, str(folder), "report")
        client.set_tag(run.info.run_id, "mlflow.note.content", f"```\n{table}```")
    except Exception:
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id)
    for each in earlier:
        client.delete_run(each.info.run_id)
    return run.info.run_id
