"""The audit of a run is recorded, and the programs that compare mechanisms print, write and record their results."""

import csv
import json
import signal
import time
from pathlib import Path

import pytest
from conftest import ROOT, TINY
from mlflow import MlflowClient
from PIL import Image
from programs import Program, run, with_store

from ganfreeze import events, signals
from ganfreeze.app import exits
from ganfreeze.data.dataset.digits import Digits
from ganfreeze.record.tracker.mlflow import Mlflow

SMALL = ("architecture=dcgan", "architecture.filters=4", "batch_size=8")


def client_and_runs(folder):
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ganfreeze")
    if not experiment:
        return client, []
    return client, client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def artifact(client, recorded, path):
    return Path(client.download_artifacts(recorded.info.run_id, path)).read_text()


def test_a_violation_ends_the_run_unless_audit_is_record_or_off(tmp_path):
    keras3 = ("strategy=compile", "keras=keras3", "evaluator=none", "steps=4", *TINY)
    sweep = run(with_store(tmp_path), "train", "-m", *keras3, "audit=error,record,off")
    assert sweep.returncode == 1
    assert "Traceback" not in sweep.stderr + sweep.stdout
    output = sweep.stderr + sweep.stdout
    for text in (
        "the discriminator did not move: none of its weights",
        "strategy=toggle",
        "audit=record trains nevertheless",
    ):
        assert text in output
    client, (error, record, off) = client_and_runs(tmp_path)
    assert [recorded.info.status for recorded in (error, record, off)] == ["FAILED", "FINISHED", "FINISHED"]
    assert [recorded.data.tags.get("audit") for recorded in (error, record, off)] == ["violation", "violation", None]
    assert "steps_per_second" not in error.data.metrics
    assert record.data.metrics["discriminator_weight_change"] == 0.0
    assert "failed the audit" in artifact(client, error, "traceback.txt")
    for recorded in (error, record):
        ledger = json.loads(artifact(client, recorded, "audit.json"))
        assert ledger["verdict"] == "violation"
        assert ledger["violations"] == [
            "in the discriminator phase the discriminator did not move: none of its weights"
        ]
        assert artifact(client, recorded, "audit.txt").startswith(
            "verdict: violation\nviolation: in the discriminator phase"
        )
    violations = client.search_runs([error.info.experiment_id], "tags.audit = 'violation'")
    assert {recorded.info.run_id for recorded in violations} == {error.info.run_id, record.info.run_id}


def test_audits_during_training_log_that_nothing_moved(tmp_path):
    program = run(
        with_store(tmp_path),
        "train",
        "strategy=toggle",
        "evaluator=none",
        "steps=30",
        "cadence.audit=7",
        "cadence.log=10",
        "cadence.glance=null",
        *TINY,
    )
    assert program.returncode == 0, program.stderr
    client, (recorded,) = client_and_runs(tmp_path)
    history = client.get_metric_history(recorded.info.run_id, "frozen_weights_moved")
    assert [(metric.step, metric.value) for metric in history] == [(10, 0.0), (20, 0.0), (30, 0.0)]


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    folder = with_store(tmp_path_factory.mktemp("certified"))
    sides = ("a=tape", "b=[compile,keras3 tape]", "steps=2")
    return folder, run(folder, "equivalence", *sides, *SMALL)


def test_a_certificate_is_printed_written_and_recorded(certified):
    folder, program = certified
    assert program.returncode == 0, program.stderr
    rows = [line.strip("| ").split(" | ") for line in program.stdout.splitlines() if line.startswith("| tape")]
    assert [row[:3] for row in rows] == [
        ["tape", "compile", "**different algorithm**"],
        ["tape", "keras3 tape", "**different algorithm**"],
    ]
    assert "`generator/BatchNormalization_1/moving_variance`" in rows[1][5], "Keras 2's fused kernel"
    assert "float64" not in rows[1][5]
    outputs = folder / "outputs" / "equivalence"
    assert (outputs / "certificates.md").read_text() in program.stdout
    with Image.open(outputs / "divergence.png") as picture:
        assert picture.width > 900
    largest = list(csv.DictReader((outputs / "divergence.csv").open()))
    assert len(largest) == 2 * 2 * 2, "pairs, precisions, steps"
    client, runs = client_and_runs(folder)
    assert [recorded.data.tags["equivalence"] for recorded in runs] == 2 * ["different algorithm"]
    assert [(recorded.data.params["a"], recorded.data.params["b"]) for recorded in runs] == [
        ("tape", "compile"),
        ("tape", "keras3 tape"),
    ]
    assert {recorded.info.status for recorded in runs} == {"FINISHED"}
    differences = list(csv.DictReader(artifact(client, runs[0], "certificate/differences.csv").splitlines()))
    history = client.get_metric_history(runs[0].info.run_id, "float64/relative")
    for metric in history:
        at_step = [
            float(difference["relative"])
            for difference in differences
            if (difference["precision"], difference["step"]) == ("float64", str(metric.step))
        ]
        assert metric.value == pytest.approx(max(at_step), rel=1e-5)
    assert [metric.step for metric in history] == [1, 2]


def test_the_matrix_is_printed_and_written(tmp_path):
    program = run(
        tmp_path, "freeze_matrix", "strategies=[compile,tfgan]", "keras_versions=[keras3]", "modes=[graph,eager]"
    )
    assert program.returncode == 0, program.stderr
    assert "| `compile` | **still** | still | **still** | still |" in program.stdout
    assert "| `tfgan` | w, bn move | bn moves | refused | refused |" in program.stdout
    outputs = tmp_path / "outputs" / "freeze_matrix"
    assert (outputs / "freeze_matrix.md").read_text() in program.stdout
    cells = list(csv.DictReader((outputs / "freeze_matrix.csv").open()))
    assert [(cell["mechanism"], cell["mode"], cell["verdict"]) for cell in cells] == [
        ("compile", "graph", "violation"),
        ("compile", "eager", "violation"),
        ("tfgan", "graph", "state leaks"),
        ("tfgan", "eager", "refused"),
    ]
    assert not (tmp_path / "mlruns").exists()


def test_the_dirac_table_is_printed_and_written(tmp_path):
    anchors = f"anchors={ROOT / 'experiments' / 'freezing' / 'published.csv'}"
    choice = ("strategies=[compile]", "keras_versions=[keras2]", "quantities=[spectral_radius]")
    program = run(tmp_path, "dynamics", anchors, *choice)
    assert program.returncode == 0, program.stderr
    assert "compile keras2: 6 of 15 agree, 9 refused" in program.stderr
    rows = list(csv.DictReader((tmp_path / "outputs" / "dynamics" / "dynamics.csv").open()))
    assert [row["agrees"] for row in rows].count("True") == 6
    assert "| wgan | simultaneous | spectral_radius | 1.019804 | 1.0198 |" in program.stdout


BAD = [
    (["equivalence", "a=tape"], "b has no default: set b="),
    (
        ["equivalence", "a=tape", "b=compil"],
        "strategy=compil: no such strategy; the nearest are compile, recompile; there",
    ),
    (["equivalence", "a=tape", "b='tape optimizer.lr=1'"], "optimizer.lr: not an option of optimizer=adam; adam has"),
    (["equivalence", "a=tape", "b=5"], "b=5: must be as a is, or a list of such, or all"),
    (["equivalence", "a=tape", "b=[]"], "b=[]: must be as a is, or a list of such, or all"),
    (["equivalence", "a=tape", "b='tape dataset=mnist'"], "dataset must be the same on both sides"),
    (["equivalence", "a=tape", "b='tape architecture=dcgan'"], "architecture must be the same on both sides"),
    (["equivalence", "a=tape", "b='tape packing=2'"], "packing must be the same on both sides"),
    (["freeze_matrix", "strategies=5"], "strategies=5: must be a list"),
    (["freeze_matrix", "output=null"], "output=None: must be a folder"),
    (["equivalence", "a=tape", "b=compile", "tolerance=0"], "tolerance=0: must be greater than 0"),
    (["equivalence", "a=tape", "b=compile", "steps=0"], "steps=0: must be greater than or equal to 1"),
    (["equivalence", "a=tape", "b=tfgan", "eager=true"], "strategy=tfgan does not go with eager=true"),
    (["freeze_matrix", "strategies=[tap]"], "strategies=['tap']: must be a list of some of these: compile,"),
    (["freeze_matrix", "modes=[]"], "modes=[]: must be a list of some of these: graph, eager"),
    (["freeze_matrix", "output=/proc/x"], "output=/proc/x"),
    (
        ["freeze_matrix", "loss=relativistic", "update=keras_gan"],
        "loss=relativistic does not go with update.batches=split",
    ),
    (["dynamics", "anchors=none.csv"], "anchors=none.csv: a CSV file with the columns variant"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_mistakes_give_a_sentence(tmp_path, arguments, message):
    program = run(tmp_path, *arguments)
    assert program.returncode == 1
    assert message in program.stderr
    assert "Traceback" not in program.stderr
    assert not (tmp_path / "mlruns").exists()


def test_an_interrupted_certificate_ends_without_a_traceback(tmp_path):
    sides = ("a=tape", "b=toggle", "steps=100000")
    program = Program(with_store(tmp_path), "equivalence", *sides, *TINY)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "mlruns").glob("artifacts/*/artifacts/config.yaml")):
        assert not program.is_over(), program.end()
        assert time.monotonic() < deadline
        time.sleep(0.3)
    time.sleep(3)
    program.send(signal.SIGINT)
    ended = program.end(timeout=120)
    assert ended.returncode == 128 + signal.SIGINT
    assert "ganfreeze: interrupted" in ended.stderr
    assert "Traceback" not in ended.stderr
    _, (recorded,) = client_and_runs(tmp_path)
    assert recorded.info.status == "KILLED"


def test_an_interruption_inside_an_extension_module_is_an_interruption(monkeypatch, capsys):
    """CPython then raises a SystemError, "returned a result with an exception set", whose cause is the interruption."""
    monkeypatch.setattr(signals, "_SIGNALS", ())  # leaves the handlers of this process alone
    with pytest.raises(SystemExit) as raised, exits.friendly_errors("tape"):
        raise SystemError("returned a result with an exception set") from KeyboardInterrupt(signal.SIGTERM)
    assert raised.value.code == 143
    assert capsys.readouterr().err == "ganfreeze: tape: interrupted\n"
    with pytest.raises(SystemError, match="a fault of its own"), exits.friendly_errors("tape"):
        raise SystemError("a fault of its own")


@pytest.mark.parametrize(("cause", "status"), [(KeyboardInterrupt(), "KILLED"), (ValueError(), "FAILED")])
def test_a_run_that_was_interrupted_inside_an_extension_module_is_killed(tmp_path, cause, status):
    digits = Digits().load()
    described = events.Described({}, "", {"mlflow.runName": "interrupted"}, {}, digits)
    tracker = Mlflow(store=str(tmp_path / "mlruns"))
    with pytest.raises(SystemError), tracker.recorder(tmp_path) as recorder:
        recorder.write(described)
        raise SystemError("returned a result with an exception set") from cause
    _, (recorded,) = client_and_runs(tmp_path)
    assert recorded.info.status == status


@pytest.mark.parametrize(("program", "sides"), [("train", ()), ("equivalence", ("a=tape", "b=toggle"))])
def test_networks_that_were_not_seeded_are_refused_before_the_first_step(tmp_path, program, sides):
    """This is the command of experiments/freezing."""
    own = ("architecture._target_=unseeded.Unseeded", "steps=20")
    evaluator = ("evaluator=none",) if program == "train" else ()
    environment = {"PYTHONPATH": str(ROOT / "experiments" / "freezing")}
    ended = run(with_store(tmp_path), program, *sides, *own, *evaluator, **environment)
    assert ended.returncode == 1
    assert "these layers start from other weights each time: the discriminator's extra." in ended.stderr
    _, (recorded,) = client_and_runs(tmp_path)
    assert recorded.info.status == "FAILED"
    assert not any(key.startswith("loss") for key in recorded.data.metrics)
