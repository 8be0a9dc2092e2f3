"""The links between the runs of a sweep, and their order."""

from mlflow import MlflowClient

from ganfreeze.record import mlflow_client
from ganfreeze.record.report import query, run_tables


def recorded_run(number, name, status="FINISHED", **metrics):
    return mlflow_client.Run(f"id{number}", "1", name, status, metrics, audit="clean" if number == 1 else "")


RUNS = [
    recorded_run(1, "tape steps=9", **{"classifier/fid": 12.345, "steps_per_second": 110.0}),
    recorded_run(2, "compile steps=9", "FAILED", **{"classifier/fid": 1.5}),
]


def test_the_address_of_the_compare_page():
    assert run_tables.compare_page(RUNS) == (
        "#/compare-runs?runs=%5B%22id1%22%2C%22id2%22%5D&experiments=%5B%221%22%5D"
    )


def test_links_lead_to_the_other_runs():
    note = run_tables.links(RUNS[0], RUNS, "#/list")
    assert "[compile steps=9](#/experiments/1/runs/id2)" in note
    assert "runs/id1" not in note
    assert run_tables.compare_page(RUNS) in note
    assert "#/list" not in note


def test_a_sweep_of_many_runs_has_one_link():
    """MLflow cuts a description off, and would cut a link in two."""
    runs = [recorded_run(f"{number:032}", f"tape hinge seed={number}") for number in range(72)]
    assert run_tables.links(runs[5], runs, "#/list") == "One run of a sweep of 72: [all its runs](#/list)."


def test_the_runs_of_a_sweep_are_in_its_order_whichever_began_first(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("sweep")
    for number in ("2", "10", "0", "1"):
        tags = {mlflow_client.SWEEP_TAG: "one_ab12", mlflow_client.JOB_TAG: number}
        client.create_run(experiment, run_name=number, tags=tags)
    for found in (query.of_named_sweep(uri, "one_ab12"), query.of_sweep(uri, "last")):
        assert [each.run.name for each in found] == ["0", "1", "2", "10"]
