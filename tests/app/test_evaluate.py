"""`src/evaluate.py` evaluates a finished run again: the metrics, the cards, and what it leaves as it was."""

import json
import math
import os
import statistics
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import CONF
from hydra import initialize_config_dir
from mlflow import MlflowClient
from programs import run, with_store

from ganfreeze import events
from ganfreeze.app import evaluate, recorded_runs
from ganfreeze.app.recorded_runs import variant_of
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.evaluator.none import NoEvaluator
from ganfreeze.record import mlflow_client
from ganfreeze.record.report import run_tables
from ganfreeze.record.tracker.mlflow import Mlflow

OPTIONS = ("strategy=tape", "steps=20", "batch_size=8", "ema=0.5", "packing=2", "evaluator.samples=100", "audit=off")


def store_of(folder):
    return f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"


def client_and_only_run(folder):
    client = MlflowClient(store_of(folder))
    (recorded,) = client.search_runs([client.get_experiment_by_name("ganfreeze").experiment_id])
    return client, recorded


def histories(client, recorded):
    """Return the history of each metric, without the system's metrics."""
    return {
        name: [
            (metric.step, metric.value, metric.timestamp)
            for metric in client.get_metric_history(recorded.info.run_id, name)
        ]
        for name in recorded.data.metrics
        if not name.startswith("system/")
    }


def evaluation_name(recorded, beginning):
    """Return the only name of an evaluation of this run that begins so."""
    (name,) = {key.partition("/")[0] for key in recorded.data.metrics if key.startswith(beginning)}
    return name


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a run. Return its folder, the program, a client, and the run as it was recorded."""
    folder = with_store(tmp_path_factory.mktemp("evaluated"))
    program = run(folder, "train", *OPTIONS)
    assert program.returncode == 0, program.stderr
    return folder, program, *client_and_only_run(folder)


@pytest.fixture(scope="module")
def evaluated_again(trained):
    """Evaluate the run by its own protocol, and then by another. Return both programs, a client, and the run."""
    folder, _, _, recorded = trained
    metrics = "fid,inception_score,kid,precision_recall,density_coverage,memorization,ms_ssim,sliced_wasserstein"
    other_protocol = ("samples_seeds=3", "evaluator.samples=150", f"evaluator.metrics=[{metrics}]")
    same, other = (run(folder, "evaluate", f"run={recorded.info.run_id}", *options) for options in ((), other_protocol))
    for program in (same, other):
        assert program.returncode == 0, program.stderr
        assert "Traceback" not in program.stderr
    return same, other, *client_and_only_run(folder)


def test_the_average_is_evaluated_beside_the_weights(trained):
    _, program, client, recorded = trained
    evaluated = {name for name in recorded.data.metrics if "/" in name}
    metrics, suffixes = ("fid", "inception_score"), ("", "_ema", "_glance", "_glance_ema")
    assert evaluated == {f"classifier{suffix}/{metric}" for suffix in suffixes for metric in metrics}
    assert recorded.data.metrics["classifier/fid"] != recorded.data.metrics["classifier_ema/fid"]
    raw, average = (json.loads(recorded.data.tags[f"card.{name}"]) for name in ("classifier", "classifier_ema"))
    assert (raw.pop("ema"), average.pop("ema")) == ("none", 0.5)
    assert raw == average
    weights = {Path(file.path).name for file in client.list_artifacts(recorded.info.run_id, "weights")}
    assert "generator_ema.weights.h5" in weights
    pictures = [file.path for file in client.list_artifacts(recorded.info.run_id, "images")]
    assert sum("samples_ema" in path and "step+20+" in path for path in pictures) >= 1
    assert "classifier_ema/fid" in program.stdout


def test_the_same_protocol_gives_the_same_metrics(trained, evaluated_again):
    """The weights were read from disk, in another process. The metrics are equal to the last bit."""
    _, _, _, before = trained
    same, _, _, after = evaluated_again
    for name in ("classifier", "classifier_ema"):
        new_name = evaluation_name(after, f"{name}-100x1-")
        for metric in ("fid", "inception_score"):
            assert after.data.metrics[f"{new_name}/{metric}"] == before.data.metrics[f"{name}/{metric}"]
        assert json.loads(after.data.tags[f"card.{new_name}"]) == json.loads(before.data.tags[f"card.{name}"])
        assert new_name in same.stdout
    assert "refused" not in same.stdout


def test_the_history_of_the_run_does_not_change(trained, evaluated_again):
    _, _, _, before = trained
    _, _, client, after = evaluated_again
    histories_before, histories_after = histories(client, before), histories(client, after)
    assert {name: histories_after[name] for name in histories_before} == histories_before
    new = {name: points for name, points in histories_after.items() if name not in histories_before}
    assert all(len(points) == 1 and points[0][0] == 20 for points in new.values())
    assert (after.info.status, after.info.end_time) == ("FINISHED", before.info.end_time)
    assert after.data.params == before.data.params
    assert before.data.tags.items() <= after.data.tags.items()


def test_several_seeds_give_the_mean_and_the_spread(evaluated_again):
    _, other, client, after = evaluated_again
    name = evaluation_name(after, "classifier-150x3-")
    path = client.download_artifacts(after.info.run_id, f"evaluations/{name}.json")
    evaluation = json.loads(Path(path).read_text())
    assert evaluation["card"]["seeds"] == [0, 1, 2]
    assert list(evaluation["by_seed"]) == ["0", "1", "2"]
    for metric in ("fid", "inception_score", "kid", "density", "memorization", "ms_ssim", "sliced_wasserstein"):
        values = [metrics[metric] for metrics in evaluation["by_seed"].values()]
        assert len(set(values)) == 3 or metric in ("density", "memorization")
        assert after.data.metrics[f"{name}/{metric}"] == pytest.approx(statistics.fmean(values))
        assert after.data.metrics[f"{name}/{metric}_spread"] == pytest.approx(statistics.stdev(values))
    assert "refused" in other.stdout
    reason = (
        "classifier/fid, classifier/inception_score: not comparable: the protocols differ in samples: 150, 100; seeds:"
    )
    assert reason in other.stdout
    assert "py_func" not in other.stderr


def test_an_evaluation_is_not_written_twice(trained, evaluated_again):
    """A tracker receives other metrics by a protocol that the run has already, and keeps the old ones."""
    folder, _, _, _ = trained
    _, _, client, recorded = evaluated_again
    name = evaluation_name(recorded, "classifier-150x3-")
    card = json.loads(recorded.data.tags[f"card.{name}"])
    tracker = Mlflow(store=str(folder / "mlruns"))
    tracker.amend(recorded.info.run_id, events.Evaluated(20, "classifier", name, card, {0: {"fid": 5.0}}))
    new = events.Evaluated(20, "classifier", "fresh", card, {0: {"fid": float("nan")}, 1: {"fid": 5.0}})
    tracker.amend(recorded.info.run_id, new)
    assert [path.name for path in folder.glob("mlruns/artifacts/*/artifacts/evaluations/fresh.json")] == ["fresh.json"]
    metrics = client.get_run(recorded.info.run_id).data.metrics
    assert metrics[f"{name}/fid"] == recorded.data.metrics[f"{name}/fid"]
    assert math.isnan(metrics["fresh/fid"])
    assert math.isnan(metrics["fresh/fid_spread"])


@pytest.fixture(scope="module")
def finished(trained):
    """Read the finished run from the store."""
    folder, _, _, recorded = trained
    return mlflow_client.finished_run(store_of(folder), recorded.info.run_id)


def rebuilt_variant(finished, *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return variant_of(finished, overrides)


def test_the_variant_is_that_of_the_run_except_for_the_overrides(finished):
    """The same evaluator keeps its recorded options. Folders are looked up now."""
    own = rebuilt_variant(finished)
    assert (own.settings.packing, own.settings.ema, own.settings.steps) == (2, 0.5, 20)
    assert own.evaluator.samples == 100
    assert own.evaluator.cache == os.environ["GANFREEZE_CACHE"]
    for override in ("evaluator=classifier", "evaluator='classifier'", "paths.data=elsewhere"):
        assert rebuilt_variant(finished, override).evaluator.samples == 100
    overrides = ("evaluator.samples=7", "evaluator.metrics=[kid]", "evaluator.seed=3")
    overridden = rebuilt_variant(finished, *overrides).evaluator
    assert (overridden.samples, list(overridden.metrics), overridden.seed) == (7, ["kid"], 3)
    inception = rebuilt_variant(finished, "evaluator=inception", "evaluator.resize=clean").evaluator
    assert (inception.samples, inception.resize) == (1000, "clean")
    lines = finished.config.splitlines()
    older = finished._replace(config="\n".join(line for line in lines if not line.startswith("ema")))
    assert rebuilt_variant(older).settings.ema is None, "an option that the run did not record has its default"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps=4", "steps: cannot be chosen here, it is the run's own; evaluator, tracker, paths, dataset.path can"),
        ("dataset=mnist", "dataset: cannot be chosen here"),
        ("evaluator.samples=1", "evaluator.samples=1: must be greater than or equal to 2"),
        ("evaluator.speed=1", "evaluator.speed: not an option of evaluator=classifier; the nearest is seed;"),
    ],
)
def test_other_overrides_are_refused(finished, override, message):
    with pytest.raises(BadInput, match=message):
        rebuilt_variant(finished, override)


def test_mistakes_give_a_sentence(trained):
    folder, _, _, recorded = trained
    run_argument = f"run={recorded.info.run_id}"
    for arguments, message in (
        (["run=5"], "run=5: must be an MLflow run id, 32 hexadecimal digits"),
        ([f"run={'0' * 32}", "samples_seeds=0"], "samples_seeds=0: must be greater than or equal to 1"),
        ([run_argument, "evaluator=mixture"], "evaluator=mixture needs a data set whose modes are known"),
        ([run_argument, "evaluator=none"], "evaluator=none measures nothing: choose another"),
        ([run_argument, "tracker=none"], "tracker=mlflow is needed"),
        ([run_argument, f"paths.mlruns={folder / 'elsewhere'}"], "there is no MLflow store at"),
    ):
        program = run(folder, "evaluate", *arguments)
        assert program.returncode == 1, arguments
        assert message in program.stderr, (arguments, program.stderr)
        assert "Traceback" not in program.stderr


def test_a_run_is_evaluated_only_with_the_data_that_it_was_trained_on(finished, digits):
    """The recorded digest is not that of the data, as if a file had been replaced."""
    recorded_runs.require_data(digits, finished)
    with pytest.raises(BadInput, match="was trained on other data: dataset=digits has the SHA-256 a65"):
        recorded_runs.require_data(digits, finished._replace(digest="f" * 64))


def test_the_process_is_prepared_before_the_evaluator(finished, digits, monkeypatch):
    """The evaluator trains its classifier and computes its statistics with the kernels that the run had."""
    trace, prepare_process = [], recorded_runs.prepare_process

    def traced_process(settings, keras):
        trace.append("process")
        prepare_process(settings, keras)

    def traced_evaluator(dataset):
        trace.append("evaluator")
        return NoEvaluator().prepare(dataset)

    monkeypatch.setattr(recorded_runs, "prepare_process", traced_process)
    variant = rebuilt_variant(finished)._replace(evaluator=SimpleNamespace(prepare=traced_evaluator))
    assert list(evaluate._evaluate(variant, digits, finished, 1)) == []
    assert trace == ["process", "evaluator"]


def test_a_running_run_is_not_evaluated(trained):
    folder, _, client, recorded = trained
    uri = store_of(folder)
    mlflow_client.require_over(uri, recorded.info.run_id)
    running = client.create_run(recorded.info.experiment_id)
    with pytest.raises(BadInput, match="is still running: it can be evaluated when it is over"):
        mlflow_client.require_over(uri, running.info.run_id)
    client.delete_run(running.info.run_id)


# ------------------------------------------------------------------------------- tables, and metrics they refuse


def recorded_run(number, samples, **metrics):
    """Return a run whose metrics were measured on this number of samples; None is a run without a card."""
    cards = {"classifier": {"samples": samples, "split": "train"}} if samples else {}
    return mlflow_client.Run(f"id{number}", "1", f"variant{number}", "FINISHED", metrics, cards=cards)


def test_the_table_of_an_evaluation_refuses_the_training_metric_of_another_protocol():
    by_seed = {0: {"fid": 1.0}, 1: {"fid": 3.0}}
    card = {"samples": 1000, "split": "train", "held_out": {"fid": 0.5, "samples": 360}}
    evaluated = events.Evaluated(9, "classifier", "classifier-1000x2-abc", card, by_seed)
    assert evaluated.summary() == {"fid": (2.0, pytest.approx(2**0.5))}

    def table_lines(samples, **metrics):
        return run_tables.evaluation_table(recorded_run(1, samples, **metrics), evaluated).splitlines()

    same = table_lines(1000, **{"classifier/fid": 7.5})
    assert same[1].split() == ["fid", "2.000", "1.414", "0.500", "7.500"]
    different = table_lines(500, **{"classifier/fid": 7.5})
    assert different[1].split() == ["fid", "2.000", "1.414", "0.500", "refused"]
    assert different[2].endswith("samples: 1000, 500")
    without_card = table_lines(None, **{"classifier/fid": 7.5})
    assert without_card[1].split() == ["fid", "2.000", "1.414", "0.500", "refused"]
    assert without_card[2].endswith("samples: 1000, not said; split: train, not said")
    without_metric = table_lines(None)
    assert [line.split() for line in without_metric[1:]] == [["fid", "2.000", "1.414", "0.500", "-"]]
