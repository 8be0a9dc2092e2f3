"""The table of a sweep, and the links between its runs."""

from ganfreeze.record import mlflow_client
from ganfreeze.record.report import run_tables


def recorded_run(number, name, status="FINISHED", **metrics):
    return mlflow_client.Run(f"id{number}", "1", name, status, metrics, audit="clean" if number == 1 else "")


RUNS = [
    recorded_run(1, "tape steps=9", **{"classifier/fid": 12.345, "steps_per_second": 110.0}),
    recorded_run(2, "compile steps=9", "FAILED", **{"classifier/fid": 1.5}),
]


def test_a_variant_is_named_by_the_words_that_not_all_runs_share():
    lines = run_tables.sweep_table(RUNS).splitlines()
    assert lines[0].split() == ["variant", "classifier/fid", "steps/s", "audit", "status"]
    assert lines[1].split() == ["tape", "12.3", "110.0", "clean", "FINISHED"]
    assert lines[2].split() == ["compile", "1.500", "-", "-", "FAILED"]
    assert "tape steps=9" in run_tables.sweep_table(RUNS[:1])


def test_real_data_that_were_held_out_are_the_last_line():
    held_out = {"held_out": {"fid": 1.75, "samples": 360, "test_accuracy": 0.989}}
    runs = [run._replace(cards={"classifier": held_out}) for run in RUNS]
    lines = run_tables.sweep_table(runs).splitlines()
    assert lines[3].split() == ["real", "data,", "360", "held", "out", "1.750", "-", "-", "-"]
    assert lines[4] == "The classifier's accuracy on held-out images: 0.989"


def test_the_address_of_the_compare_page():
    assert run_tables.compare_page(RUNS) == (
        "#/compare-runs?runs=%5B%22id1%22%2C%22id2%22%5D&experiments=%5B%221%22%5D"
    )


def test_links_lead_to_the_other_runs():
    note = run_tables.links(RUNS[0], RUNS)
    assert "[compile steps=9](#/experiments/1/runs/id2)" in note
    assert "runs/id1" not in note
    assert run_tables.compare_page(RUNS) in note
