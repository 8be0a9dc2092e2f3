"""The audit as a run records it, and the programs that compare mechanisms, as a user runs them."""

import csv
import json
import signal
import time
from pathlib import Path

import pytest
from conftest import ROOT
from mlflow import MlflowClient
from PIL import Image
from programs import Program, run

SMALL = ("architecture=dcgan", "architecture.filters=4", "batch_size=8")


def runs_of(folder):
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ganfreeze")
    where = [experiment.experiment_id] if experiment else []
    return client, client.search_runs(where, order_by=["attributes.start_time ASC"]) if where else []


def artifact(client, recorded, path):
    return Path(client.download_artifacts(recorded.info.run_id, path)).read_text()


def test_a_run_stops_at_the_audit_unless_it_is_told_otherwise(tmp_path):
    keras3 = ("strategy=compile", "keras=keras3", "evaluator=none", "steps=4", *SMALL)
    sweep = run(tmp_path, "train", "-m", *keras3, "audit=error,record,off")
    assert sweep.returncode == 1
    assert "Traceback" not in sweep.stderr + sweep.stdout
    told = sweep.stderr + sweep.stdout
    for text in ("the discriminator did not move: none of its weights", "strategy=toggle", "audit=record trains all"):
        assert text in told
    client, (error, record, off) = runs_of(tmp_path)
    assert [each.info.status for each in (error, record, off)] == ["FAILED", "FINISHED", "FINISHED"]
    assert [each.data.tags.get("audit") for each in (error, record, off)] == ["violation", "violation", None]
    assert "steps_per_second" not in error.data.metrics
    assert record.data.metrics["discriminator_weight_change"] == 0.0
    assert "failed the audit" in artifact(client, error, "traceback.txt")
    for each in (error, record):
        ledger = json.loads(artifact(client, each, "audit.json"))
        assert ledger["verdict"] == "violation"
        assert ledger["violations"] == [
            "in the discriminator phase the discriminator did not move: none of its weights"
        ]
        assert artifact(client, each, "audit.txt").startswith(
            "verdict: violation\nviolation: in the discriminator phase"
        )
    found = client.search_runs([error.info.experiment_id], "tags.audit = 'violation'")
    assert {each.info.run_id for each in found} == {error.info.run_id, record.info.run_id}


def test_a_run_under_watch_logs_that_nothing_moved(tmp_path):
    done = run(
        tmp_path, "train", "strategy=toggle", "evaluator=none", "steps=30", "cadence.audit=7", "cadence.log=10", *SMALL
    )
    assert done.returncode == 0, done.stderr
    client, (recorded,) = runs_of(tmp_path)
    history = client.get_metric_history(recorded.info.run_id, "frozen_weights_moved")
    assert [(each.step, each.value) for each in history] == [(10, 0.0), (20, 0.0), (30, 0.0)]


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certified")
    sides = ("a=tape", "b=[compile,keras3 tape]", "steps=2")
    return folder, run(folder, "equivalence", *sides, *SMALL)


def test_a_certificate_is_printed_written_and_recorded(certified):
    folder, done = certified
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| tape")]
    assert [row[:3] for row in rows] == [
        ["tape", "compile", "**different algorithm**"],
        ["tape", "keras3 tape", "**different algorithm**"],
    ]
    assert "`generator/BatchNormalization_1/moving_variance`" in rows[1][5], "Keras 2's fused kernel"
    assert "float64" not in rows[1][5]
    output = folder / "outputs" / "equivalence"
    assert (output / "certificates.md").read_text() in done.stdout
    with Image.open(output / "divergence.png") as picture:
        assert picture.width > 900
    largest = list(csv.DictReader((output / "divergence.csv").open()))
    assert len(largest) == 2 * 2 * 2, "pairs, precisions, steps"
    client, runs = runs_of(folder)
    assert [each.data.tags["equivalence"] for each in runs] == 2 * ["different algorithm"]
    assert [(each.data.params["a"], each.data.params["b"]) for each in runs] == [
        ("tape", "compile"),
        ("tape", "keras3 tape"),
    ]
    assert {each.info.status for each in runs} == {"FINISHED"}
    every = list(csv.DictReader(artifact(client, runs[0], "certificate/differences.csv").splitlines()))
    recorded = client.get_metric_history(runs[0].info.run_id, "float64/relative")
    for metric in recorded:
        of_step = [
            float(each["relative"])
            for each in every
            if (each["precision"], each["step"]) == ("float64", str(metric.step))
        ]
        assert metric.value == pytest.approx(max(of_step), rel=1e-5)
    assert [metric.step for metric in recorded] == [1, 2]


def test_the_matrix_is_printed_and_written(tmp_path):
    done = run(
        tmp_path, "freeze_matrix", "strategies=[compile,tfgan]", "keras_versions=[keras3]", "modes=[graph,eager]"
    )
    assert done.returncode == 0, done.stderr
    assert "| `compile` | **still** | still | **still** | still |" in done.stdout
    assert "| `tfgan` | w, bn move | bn moves | refused | refused |" in done.stdout
    output = tmp_path / "outputs" / "freeze_matrix"
    assert (output / "freeze_matrix.md").read_text() in done.stdout
    cells = list(csv.DictReader((output / "freeze_matrix.csv").open()))
    assert [(each["mechanism"], each["mode"], each["verdict"]) for each in cells] == [
        ("compile", "graph", "violation"),
        ("compile", "eager", "violation"),
        ("tfgan", "graph", "state leaks"),
        ("tfgan", "eager", "refused"),
    ]
    assert not (tmp_path / "mlruns").exists()


def test_the_dirac_table_is_printed_and_written(tmp_path):
    anchors = f"anchors={ROOT / 'experiments' / 'freezing' / 'published.csv'}"
    choice = ("strategies=[compile]", "keras_versions=[keras2]", "quantities=[spectral_radius]")
    done = run(tmp_path, "dirac", anchors, *choice)
    assert done.returncode == 0, done.stderr
    assert "compile keras2: 6 of 15 agree, 9 refused" in done.stderr
    rows = list(csv.DictReader((tmp_path / "outputs" / "dirac" / "dirac.csv").open()))
    assert [each["agrees"] for each in rows].count("True") == 6
    assert "| wgan | simultaneous | spectral_radius | 1.019804 | 1.0198 |" in done.stdout


BAD = [
    (["equivalence", "a=tape"], "b has no default: set b="),
    (["equivalence", "a=tape", "b=compil"], "Could not find 'strategy/compil'"),
    (["equivalence", "a=tape", "b=5"], "b=5: must be as a is, or a list of such, or all"),
    (["equivalence", "a=tape", "b=[]"], "b=[]: must be as a is, or a list of such, or all"),
    (["equivalence", "a=tape", "b='tape dataset=mnist'"], "dataset must be the same on both sides"),
    (["equivalence", "a=tape", "b='tape architecture=dcgan'"], "architecture must be the same on both sides"),
    (["equivalence", "a=tape", "b='tape packing=2'"], "packing must be the same on both sides"),
    (["freeze_matrix", "strategies=5"], "strategies=5: must be a list"),
    (["freeze_matrix", "output=null"], "output=None: must be a folder"),
    (["equivalence", "a=tape", "b=compile", "tolerance=0"], "tolerance=0: must be a number above 0"),
    (["equivalence", "a=tape", "b=compile", "steps=0"], "steps=0: must be greater than or equal to 1"),
    (["equivalence", "a=tape", "b=tfgan", "eager=true"], "strategy=tfgan does not go with eager=true"),
    (["freeze_matrix", "strategies=[tap]"], "strategies=['tap']: must be a list of some of these: compile,"),
    (["freeze_matrix", "modes=[]"], "modes=[]: must be a list of some of these: graph, eager"),
    (["freeze_matrix", "output=/proc/x"], "output=/proc/x"),
    (["freeze_matrix", "loss=relativistic", "update=seed"], "loss=relativistic does not go with update.batches=split"),
    (["dirac", "anchors=none.csv"], "anchors=none.csv: a CSV file with the columns variant"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), BAD, ids=lambda each: " ".join(each) if isinstance(each, list) else ""
)
def test_mistakes_are_told_in_a_sentence(tmp_path, arguments, message):
    done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mlruns").exists()


def test_an_interrupted_certificate_ends_in_order(tmp_path):
    sides = ("a=tape", "b=toggle", "steps=100000")
    program = Program(tmp_path, "equivalence", *sides, *SMALL)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "mlruns").glob("artifacts/*/artifacts/config.yaml")):
        assert not program.is_over(), program.end()
        assert time.monotonic() < deadline
        time.sleep(0.3)
    time.sleep(3)
    program.send(signal.SIGINT)
    done = program.end(timeout=120)
    assert done.returncode == 1
    assert "ganfreeze: interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    _, (recorded,) = runs_of(tmp_path)
    assert recorded.info.status == "KILLED"
