"""A run that gives NaN ends with the step, the variable and a command that runs the step again; or it goes on."""

import json
import re
import shlex
from pathlib import Path

import pytest
from mlflow import MlflowClient
from programs import run, with_store

from ganfreeze.overrides import quoted

UNSTABLE = (
    "optimizer=sgd",
    "loss=least_squares",
    "optimizer.discriminator_rate=0.5",
    "optimizer.generator_rate=0.5",
    "evaluator=none",
    "audit=off",
    "cadence.log=20",
    "cadence.glance=null",
    "steps=40",
)
STATE = "a state, #1"  # the folder of the runs' own folders


def only_run(folder):
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ganfreeze")
    assert experiment is not None
    (recorded,) = client.search_runs([experiment.experiment_id])
    return client, recorded


@pytest.fixture(scope="module", params=["tape", "toggle"])
def diverged(request, tmp_path_factory):
    """Train a run that diverges. Return its folder and how it ended."""
    folder = with_store(tmp_path_factory.mktemp("diverged"))
    return folder, run(folder, "train", f"strategy={request.param}", *UNSTABLE, quoted("paths.state", STATE))


def test_the_sentence_names_the_step_the_variable_the_checkpoint_and_a_command(diverged):
    folder, ended = diverged
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    sentence = (
        r"ganfreeze: step (\d+): in the discriminator phase the generator's batch_normalization_1/moving_variance "
        r"becomes NaN or infinite\. The last checkpoint before it is that of step 0 in "
        rf"{STATE}/([0-9a-f]{{16}}-1)\. To run this step again: "
        r"python src/replay\.py run=\2 step=\1 "
    )
    assert re.search(sentence, ended.stderr), ended.stderr
    client, recorded = only_run(folder)
    assert recorded.info.status == "FAILED"
    assert recorded.data.tags["diverged"] == "step 3"
    record = json.loads(Path(client.download_artifacts(recorded.info.run_id, "diverged.json")).read_text())
    assert (record["step"], record["checkpoint"]) == (3, 0)
    assert [step for step, _ in record["before"]] == [1, 2]
    assert record["before"][1][1]["discriminator_loss"] > 100 * record["before"][0][1]["discriminator_loss"]
    first, second = record["calls"]
    assert first["not_finite"] == ["the generator's batch_normalization_1/moving_variance"]
    assert len(first["gradient_norms"]) == 3, "the discriminator has three layers"
    assert all(0 < norm < float("inf") for norm in first["gradient_norms"].values())
    assert second["metrics"]["generator_loss"] == float("inf")
    assert "Diverged" in Path(client.download_artifacts(recorded.info.run_id, "traceback.txt")).read_text()


def test_the_command_runs_exactly_that_step_again(diverged):
    folder, ended = diverged
    _, _, *arguments = shlex.split(ended.stderr.partition("To run this step again: ")[2])
    again = run(folder, "replay", *arguments)
    assert again.returncode == 0, again.stderr
    client, recorded = only_run(folder)
    assert again.stdout == Path(client.download_artifacts(recorded.info.run_id, "diverged.txt")).read_text()
    by_id = run(folder, "replay", f"run={recorded.info.run_id}", "step=2", quoted("state", STATE))
    assert "everything is finite" in by_id.stdout


BAD = [
    (["run=xyz", "step=1"], "run=xyz: must be an MLflow run id, or the name of a folder in `state`"),
    (["run=" + "0" * 32, "step=1"], f"run={'0' * 32}: there is no such run in state=outputs/state"),
    (["step=1"], "run has no default: set run=..."),
    (["run=" + "0" * 32, "step=0"], "step=0: must be greater than or equal to 1"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_mistakes_in_a_replay_give_a_sentence(tmp_path, arguments, message):
    ended = run(tmp_path, "replay", *arguments)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_step_that_the_run_does_not_have_is_refused(diverged):
    folder, _ = diverged
    _, recorded = only_run(folder)
    ended = run(folder, "replay", f"run={recorded.info.run_id}", "step=41", quoted("state", STATE))
    assert ended.returncode == 1
    assert "step=41: the run has the steps 1 to 40" in ended.stderr


def test_a_run_that_is_told_to_goes_on(tmp_path):
    ended = run(with_store(tmp_path), "train", *UNSTABLE, "on_nan=continue")
    assert ended.returncode == 0, ended.stderr
    client, recorded = only_run(tmp_path)
    assert recorded.info.status == "FINISHED"
    history = client.get_metric_history(recorded.info.run_id, "generator_loss")
    assert [each.step for each in history] == [20, 40]


def test_a_run_leaves_steps_out_until_there_is_none_to_leave_in(tmp_path):
    ended = run(with_store(tmp_path), "train", *UNSTABLE, "on_nan=skip")
    assert ended.returncode == 1
    client, recorded = only_run(tmp_path)
    (skipped,) = client.get_metric_history(recorded.info.run_id, "skipped_steps")
    assert 0 < skipped.value < 20
    assert recorded.data.tags["diverged"] == "step 21"
    assert "step 21: in the discriminator phase" in ended.stderr


def test_signs_of_a_collapse_are_tags_and_do_not_stop_the_run(tmp_path):
    """A generator that does not train draws the same nearly grey image from any latent vector."""
    options = ("optimizer.generator_rate=1e-12", "audit=off", "architecture=dcgan", "evaluator=none", "steps=10")
    options += ("cadence.glance=5",)
    import numpy as np

    np.savez(tmp_path / "images.npz", images=np.random.default_rng(0).integers(0, 2, (50, 8, 8), np.uint8) * 255)
    ended = run(with_store(tmp_path), "train", *options, "dataset=npz", f"dataset.path={tmp_path}/images.npz")
    assert ended.returncode == 0, ended.stderr
    _, recorded = only_run(tmp_path)
    assert recorded.info.status == "FINISHED"
    assert " of that of real data at step 5" in recorded.data.tags["collapse.sample_variance"]
    assert "collapse.sample_variance: the variance of samples is " in ended.stdout
