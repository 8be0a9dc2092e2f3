"""`src/evaluate.py` as a user runs it, on a run that is over: its figures, its cards, and what it leaves alone."""

import json
import math
import os
import statistics
from pathlib import Path

import pytest
from conftest import CONF
from hydra import initialize_config_dir
from mlflow import MlflowClient
from programs import run

from ganfreeze import events
from ganfreeze.app import evaluate
from ganfreeze.app.recorded_runs import variant as recorded_variant
from ganfreeze.errors import BadInput
from ganfreeze.record import mlflow_store
from ganfreeze.record.report import run_tables
from ganfreeze.record.tracker.mlflow import Mlflow

OPTIONS = ("strategy=tape", "steps=20", "batch_size=8", "ema=0.5", "packing=2", "evaluator.samples=100")


def recorded(folder):
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("ganfreeze").experiment_id])
    return client, found


def history(client, found):
    """Every metric's history, but for the system's own."""
    return {
        name: [(each.step, each.value, each.timestamp) for each in client.get_metric_history(found.info.run_id, name)]
        for name in found.data.metrics
        if not name.startswith("system/")
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    done = run(folder, "train", *OPTIONS)
    assert done.returncode == 0, done.stderr
    return folder, done, *recorded(folder)


@pytest.fixture(scope="module")
def again(trained):
    """By the run's own evaluator, and then by the whole ladder under another protocol."""
    folder, _, _, found = trained
    metrics = "fid,inception_score,kid,precision_recall,density_coverage,memorization,ms_ssim,sliced_wasserstein"
    others = "samples_seeds=3", "evaluator.samples=150", f"evaluator.metrics=[{metrics}]"
    same, other = (run(folder, "evaluate", f"run={found.info.run_id}", *options) for options in ((), others))
    for done in (same, other):
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    return same, other, *recorded(folder)


def test_the_average_is_evaluated_beside_the_weights(trained):
    _, done, client, found = trained
    figures = {name for name in found.data.metrics if "/" in name and not name.startswith("system/")}
    kinds = ("fid", "inception_score")
    assert figures == {f"{name}/{kind}" for name in ("classifier", "classifier_ema") for kind in kinds}
    assert found.data.metrics["classifier/fid"] != found.data.metrics["classifier_ema/fid"]
    raw, average = (json.loads(found.data.tags[f"card.{name}"]) for name in ("classifier", "classifier_ema"))
    assert (raw.pop("ema"), average.pop("ema")) == ("none", 0.5)
    assert raw == average
    weights = {Path(each.path).name for each in client.list_artifacts(found.info.run_id, "weights")}
    assert "generator_ema.weights.h5" in weights
    pictures = [each.path for each in client.list_artifacts(found.info.run_id, "images")]
    assert sum("samples_ema" in path and "step+20+" in path for path in pictures) >= 1
    assert "classifier_ema/fid" in done.stdout


def test_the_same_protocol_gives_the_same_figures(trained, again):
    """Of the weights as they came back from disk, in another process, to the last bit."""
    _, _, _, before = trained
    same, _, _, after = again
    for name in ("classifier", "classifier_ema"):
        (label,) = {key.partition("/")[0] for key in after.data.metrics if key.startswith(f"{name}-100x1-")}
        for kind in ("fid", "inception_score"):
            assert after.data.metrics[f"{label}/{kind}"] == before.data.metrics[f"{name}/{kind}"]
        assert json.loads(after.data.tags[f"card.{label}"]) == json.loads(before.data.tags[f"card.{name}"])
        assert label in same.stdout
    assert "refused" not in same.stdout


def test_the_history_of_the_run_is_undisturbed(trained, again):
    _, _, _, before = trained
    _, _, client, after = again
    was, now = history(client, before), history(client, after)
    assert {name: now[name] for name in was} == was
    assert all(len(points) == 1 and points[0][0] == 20 for name, points in now.items() if name not in was)
    assert (after.info.status, after.info.end_time) == ("FINISHED", before.info.end_time)
    assert after.data.params == before.data.params
    assert before.data.tags.items() <= after.data.tags.items()


def test_several_seeds_give_the_mean_and_the_spread(again):
    _, other, client, after = again
    (label,) = {key.partition("/")[0] for key in after.data.metrics if key.startswith("classifier-150x3-")}
    path = client.download_artifacts(after.info.run_id, f"evaluations/{label}.json")
    kept = json.loads(Path(path).read_text())
    assert kept["card"]["seeds"] == [0, 1, 2]
    assert list(kept["by_seed"]) == ["0", "1", "2"]
    for kind in (*("fid", "inception_score", "kid", "density", "memorization"), "ms_ssim", "sliced_wasserstein"):
        values = [each[kind] for each in kept["by_seed"].values()]
        assert len(set(values)) == 3 or kind in ("density", "memorization")
        assert after.data.metrics[f"{label}/{kind}"] == pytest.approx(statistics.fmean(values))
        assert after.data.metrics[f"{label}/{kind}_spread"] == pytest.approx(statistics.stdev(values))
    assert "refused" in other.stdout
    told = "classifier/fid, classifier/inception_score: not compared, for not measured alike: samples: 150, 100; seeds:"
    assert told in other.stdout
    assert "py_func" not in other.stderr


def test_what_is_there_is_not_written_again(trained, again):
    """Evaluated once more under one protocol, by a tracker that is handed other figures."""
    folder, _, _, _ = trained
    _, _, client, found = again
    (label,) = {key.partition("/")[0] for key in found.data.metrics if key.startswith("classifier-150x3-")}
    card = json.loads(found.data.tags[f"card.{label}"])
    with Mlflow(store=str(folder / "mlruns")) as tracker:
        tracker.amend(found.info.run_id, events.Evaluated(20, "classifier", label, card, {0: {"fid": 5.0}}))
        new = events.Evaluated(20, "classifier", "fresh", card, {0: {"fid": float("nan")}, 1: {"fid": 5.0}})
        tracker.amend(found.info.run_id, new)
    assert [path.name for path in folder.glob("mlruns/artifacts/*/artifacts/evaluations/fresh.json")] == ["fresh.json"]
    now = client.get_run(found.info.run_id).data.metrics
    assert now[f"{label}/fid"] == found.data.metrics[f"{label}/fid"]
    assert math.isnan(now["fresh/fid"])
    assert math.isnan(now["fresh/fid_spread"])


@pytest.fixture(scope="module")
def kept(trained):
    folder, _, _, found = trained
    return mlflow_store.recorded(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}", found.info.run_id)


def variant(kept, *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return recorded_variant(kept, overrides)


def test_a_variant_is_the_runs_own_but_for_what_is_asked(kept):
    """Its evaluator's options too, as long as the evaluator is the same; where things lie is looked up now."""
    same = variant(kept)
    assert (same.settings.packing, same.settings.ema, same.settings.steps) == (2, 0.5, 20)
    assert same.evaluator.samples == 100
    assert same.evaluator.cache == os.environ["GANFREEZE_CACHE"]
    for words in (["evaluator=classifier"], ["evaluator='classifier'"], ["paths.data=elsewhere"]):
        assert variant(kept, *words).evaluator.samples == 100
    other = variant(kept, "evaluator.samples=7", "evaluator.metrics=[kid]", "evaluator.seed=3").evaluator
    assert (other.samples, list(other.metrics), other.seed) == (7, ["kid"], 3)
    inception = variant(kept, "evaluator=inception", "evaluator.resize=clean").evaluator
    assert (inception.samples, inception.resize) == (1000, "clean")
    older = kept._replace(config="\n".join(line for line in kept.config.splitlines() if not line.startswith("ema")))
    assert variant(older).settings.ema is None, "what an older run does not know of has its default"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps=4", "steps: cannot be chosen here, it is the run's own; evaluator, tracker, paths, dataset.path can"),
        ("dataset=mnist", "dataset: cannot be chosen here"),
        ("evaluator.samples=1", "evaluator.samples=1: must be greater than or equal to 2"),
        ("evaluator.speed=1", "Could not override 'evaluator.speed'"),
    ],
)
def test_what_is_the_runs_own_cannot_be_chosen(kept, override, message):
    with pytest.raises(BadInput, match=message):
        variant(kept, override)


def test_what_cannot_be_evaluated_is_told(trained):
    folder, _, _, found = trained
    mine = f"run={found.info.run_id}"
    for arguments, message in (
        (["run=5"], "run=5: must be an MLflow run id, 32 hexadecimal digits"),
        ([f"run={'0' * 32}", "samples_seeds=0"], "samples_seeds=0: must be greater than or equal to 1"),
        ([mine, "evaluator=mixture"], "evaluator=mixture needs a data set whose modes are known"),
        ([mine, "evaluator=none"], "evaluator=none measures nothing: choose another"),
        ([mine, "tracker='null'"], "tracker=mlflow is needed"),
        ([mine, f"paths.mlruns={folder / 'elsewhere'}"], "there is no MLflow store at"),
    ):
        done = run(folder, "evaluate", *arguments)
        assert done.returncode == 1, arguments
        assert message in done.stderr, (arguments, done.stderr)
        assert "Traceback" not in done.stderr


def test_a_run_is_held_against_the_data_it_was_trained_on(kept, digits):
    """A recorded digest that is not the data's, as after a file was replaced."""
    evaluate.require_data(digits, kept)
    with pytest.raises(BadInput, match="was trained on data of another content: dataset=digits has the SHA-256 a65"):
        evaluate.require_data(digits, kept._replace(digest="f" * 64))


def test_a_run_that_goes_on_is_not_evaluated(trained):
    folder, _, client, found = trained
    uri = f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"
    mlflow_store.require_over(uri, found.info.run_id)
    going_on = client.create_run(found.info.experiment_id)
    with pytest.raises(BadInput, match="is still running: it can be evaluated when it is over"):
        mlflow_store.require_over(uri, going_on.info.run_id)
    client.delete_run(going_on.info.run_id)


# ---------------------------------------------------------------------------------------------- tables, refusals


def a_run(number, samples, **metrics):
    cards = {"classifier": {"samples": samples, "split": "train"}} if samples else {}
    return mlflow_store.Run(f"id{number}", "1", f"variant{number}", "FINISHED", metrics, cards=cards)


def test_a_sweeps_table_refuses_figures_that_were_not_measured_alike():
    figures = {"classifier/fid": 1.0, "classifier/kid": 0.0012, "steps_per_second": 9.0}
    alike = run_tables.sweep_table([a_run(1, 1000, **figures), a_run(2, 1000, **figures)])
    assert "refused" not in alike
    assert "0.0012" in alike
    apart = run_tables.sweep_table([a_run(1, 1000, **figures), a_run(2, 500, **figures)])
    rows = [line.split() for line in apart.splitlines() if line.startswith("variant")]
    assert rows[1:] == [[f"variant{each}", "refused", "refused", "9.000", "-", "FINISHED"] for each in (1, 2)]
    assert apart.endswith(
        "\nclassifier/fid, classifier/kid: not compared, for not measured alike: samples: 1000, 500\n"
    )
    unknown = run_tables.sweep_table([a_run(1, 1000, **figures), a_run(2, None, **figures)])
    assert "samples: 1000, not said; split: train, not said" in unknown


def test_a_table_of_an_evaluation_refuses_the_figure_of_training_where_it_must():
    by_seed = {0: {"fid": 1.0}, 1: {"fid": 3.0}}
    card = {"samples": 1000, "split": "train"}
    evaluated = events.Evaluated(9, "classifier", "classifier-1000x2-abc", card, by_seed)
    assert evaluated.summary() == {"fid": (2.0, pytest.approx(2**0.5))}
    shown = run_tables.evaluation_table(a_run(1, 1000, **{"classifier/fid": 7.5}), evaluated).splitlines()
    assert shown[1].split() == ["fid", "2.000", "1.414", "7.500"]
    refused = run_tables.evaluation_table(a_run(1, 500, **{"classifier/fid": 7.5}), evaluated).splitlines()
    assert refused[1].split() == ["fid", "2.000", "1.414", "refused"]
    assert refused[2].endswith("samples: 1000, 500")
    older = run_tables.evaluation_table(a_run(1, None, **{"classifier/fid": 7.5}), evaluated).splitlines()
    assert older[1].split() == ["fid", "2.000", "1.414", "refused"]
    assert older[2].endswith("samples: 1000, not said; split: train, not said")
    nothing = run_tables.evaluation_table(a_run(1, None), evaluated).splitlines()
    assert [line.split() for line in nothing[1:]] == [["fid", "2.000", "1.414", "-"]]
