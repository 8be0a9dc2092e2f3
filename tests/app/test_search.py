"""Search in real processes, as a user does."""

import csv
import re
import signal
import time
from pathlib import Path
from statistics import fmean

import programs
import pytest
from mlflow import MlflowClient

OPTUNA = ("-m", "hydra/sweeper=optuna")
TINY = ("steps=20", "architecture.generator_units=[8]", "architecture.discriminator_units=[8]", "evaluator.samples=50")
RATE = "optimizer.generator_rate=tag(log, interval(1e-5, 1e-3))"


def runs_of(folder):
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ganfreeze")
    return client, client.search_runs([experiment.experiment_id]) if experiment else []


def finished(folder):
    """Return how many runs have ended well, without MLflow."""
    files = (folder / "outputs" / "state").glob("*/progress.json")
    return sum('"FINISHED"' in file.read_text() for file in files)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([RATE, "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: "),
        ([RATE, "keras=keras3", "seeds_at_once=2"], "seeds_at_once: a search trains one seed at a time"),
        (["seed=0,1"], "there is nothing to search: "),
        ([RATE, "seed=interval(0,5)"], "seed=interval(0,5): seeds are repeats of a trial"),
        (
            [RATE, "hydra.sweeper.figure=classifier/kid"],
            "hydra.sweeper.figure=classifier/kid: is not measured; evaluator=classifier measures classifier/fid, ",
        ),
        (
            [RATE, "evaluator=none"],
            "hydra.sweeper.figure=classifier/fid: is not measured; evaluator=none measures nothing",
        ),
        (
            [RATE, "hydra.sweeper.direction=maximize"],
            "hydra.sweeper.direction=maximize: classifier/fid is one to minimize",
        ),
    ],
)
def test_bad_input_gets_a_sentence_before_anything_is_trained(tmp_path, arguments, sentence):
    ended = programs.run(tmp_path, "train", *OPTUNA, *arguments)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"ganfreeze: nothing was started; {sentence}")
    assert ended.stderr.count("\n") == 1
    assert not list(tmp_path.glob("outputs/state/*"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Kill a search of 2 trials with 2 seeds when it has trained one job, and let the same command go on."""
    folder = programs.with_store(tmp_path_factory.mktemp("search"))
    arguments = ("train", *OPTUNA, RATE, "seed=0,1", *TINY, "audit=off", "hydra.launcher.n_jobs=2")
    search = programs.Program(folder, *arguments, "hydra.sweeper.n_trials=2")
    while not finished(folder):
        assert not search.is_over(), search.end()
        time.sleep(0.1)
    search.send(signal.SIGKILL)
    search.end()
    return folder, programs.run(folder, *arguments, "hydra.sweeper.n_trials=2"), arguments


def test_a_search_that_was_killed_goes_on_and_trains_no_job_twice(killed):
    folder, ended, _ = killed
    assert ended.returncode == 0, ended
    assert "2 trials: 2 complete" in ended.stdout
    _, runs = runs_of(folder)
    trained = [run for run in runs if "ganfreeze.sweep" in run.data.tags]
    assert [run.info.status for run in trained] == ["FINISHED"] * 4
    jobs = {(run.data.tags["ganfreeze.trial"], run.data.params["seed"]) for run in trained}
    assert jobs == {("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")}
    assert len({run.data.tags["ganfreeze.study"] for run in trained}) == 1


def test_the_best_trial_is_the_one_whose_runs_have_the_least_mean(killed):
    folder, ended, _ = killed
    client, runs = runs_of(folder)
    by_trial = {}
    for run in runs:
        if "ganfreeze.sweep" in run.data.tags:
            by_trial.setdefault(run.data.tags["ganfreeze.trial"], []).append(run)
    means = {trial: fmean(run.data.metrics["classifier/fid"] for run in own) for trial, own in by_trial.items()}
    best = min(means, key=means.__getitem__)
    rate = by_trial[best][0].data.params["optimizer.generator_rate"]
    assert (
        f"best is trial {best}, optimizer.generator_rate={rate}: classifier/fid {means[best]:.1f} of 2 seeds"
        in ended.stdout
    )

    (record,) = [run for run in runs if "ganfreeze.report" in run.data.tags]
    assert record.data.params == {"optimizer.generator_rate": rate}
    assert record.data.tags["ganfreeze.trial"] == best
    history = client.get_metric_history(record.info.run_id, "classifier/fid")
    assert {str(each.step): each.value for each in history} == pytest.approx(means)
    files = {file.path for file in client.list_artifacts(record.info.run_id, "report")}
    assert files == {"report/trials.csv", "report/history.png"}
    table = Path(client.download_artifacts(record.info.run_id, "report/trials.csv")).read_text()
    rows = list(csv.DictReader(table.splitlines()))
    assert {row["trial"]: float(row["classifier/fid"]) for row in rows} == pytest.approx(means)


def test_a_complete_search_trains_nothing_and_says_the_same(killed):
    folder, ended, arguments = killed
    again = programs.run(folder, *arguments, "hydra.sweeper.n_trials=2")
    _, runs = runs_of(folder)
    conclusion = r"2 trials: .*\nbest .*\n(?:importance.*\n)?To train it again: .*\n"
    assert re.search(conclusion, again.stdout).group() == re.search(conclusion, ended.stdout).group()
    assert len(runs) == 4 + 1


def test_trials_that_fail_end_and_are_said_and_equal_trials_share_a_run(tmp_path):
    """TF-GAN's strategy refuses XLA, and `compile` fails its audit under Keras 3: only `tape` has a figure."""
    choices = ("strategy=tape,tfgan,compile", "keras=keras3", "jit=on", "deterministic=false")
    programs.with_store(tmp_path)
    ended = programs.run(tmp_path, "train", *OPTUNA, *choices, "hydra.sweeper.n_trials=6", *TINY)
    assert ended.returncode == 0, ended
    assert "6 trials: 4 failed, 2 complete" in ended.stdout
    assert len(re.findall(r"trial \d failed: strategy=tfgan does not go with jit=on", ended.stdout)) == 2
    assert len(re.findall(r"trial \d failed: .*strategy=compile: FAILED: Violation", ended.stdout)) == 2
    assert "strategy=tape: classifier/fid" in ended.stdout
    assert len(list(tmp_path.glob("outputs/state/*/progress.json"))) == 2, "equal trials share a run"
