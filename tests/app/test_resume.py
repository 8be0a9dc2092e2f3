"""A run that was interrupted goes on, in the same record, and ends with the bits that it would have had."""

import random
import signal
import time
from itertools import product
from pathlib import Path

import programs
import pytest
from conftest import TINY, words
from mlflow import MlflowClient

from ganfreeze.app.training_setup import build
from ganfreeze.record import final_weights, run_folder
from ganfreeze.record.checkpoints import Checkpoints
from ganfreeze.record.report import query

DYING = Path(__file__).parent / "dying.py"
KERAS, STRATEGIES, UPDATES = words("keras"), words("strategy"), words("update")
SHORT = (
    *TINY,
    "steps=60",
    "cadence.log=5",
    "cadence.save=10",
    "cadence.evaluate=20",
    "ema=0.9",
    "evaluator.samples=20",
)


def bits(variables):
    return [variable.numpy().tobytes() for variable in variables]


ALL = list(product(STRATEGIES, KERAS, UPDATES))
AHEAD = ("extragradient", "optimistic")  # what they remember does not depend on the mechanism, so three of them suffice
ONE_PROCESS = [
    each for each in ALL if each[2] not in AHEAD or (each[0] in ("tape", "toggle", "tfgan") and each[1] == "keras2")
]


@pytest.mark.parametrize(("strategy", "keras", "update"), ONE_PROCESS)
def test_a_checkpoint_has_all_that_the_next_steps_depend_on(tmp_path, parse, digits, strategy, keras, update):
    """The state is saved, a step is taken, and after `restore` again: what was not saved would make a difference."""
    options = ("audit=off", "ema=0.9", "architecture.dropout=0.1")
    variant = parse(*TINY, f"strategy={strategy}", f"keras={keras}", f"update={update}", *options)
    setup = build(variant, digits)
    kept = Checkpoints(tmp_path, setup.variables, last=1, best=None, facts={})
    setup.strategy.advance(setup.streams, 0, 1)
    kept.save(1)
    first = setup.strategy.advance(setup.streams, 1, 1)
    expected = bits(setup.variables)
    assert kept.restore() == 1
    assert bits(setup.variables) != expected
    assert setup.strategy.advance(setup.streams, 1, 1) == first
    assert bits(setup.variables) == expected


# ------------------------------------------------------------------------------------------------ real processes


def record_of(folder):
    """Return the one run of the store in `folder`: its status, its metrics with all steps and values, its pictures."""
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ganfreeze")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    metrics = {}
    for name in run.data.metrics:
        history = [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]
        assert len({step for step, _ in history}) == len(history), f"{name}: a step is there twice"
        if name == "steps_per_second":
            metrics[name] = sorted(step for step, _ in history)
        elif not name.startswith("system/"):
            metrics[name] = sorted(history)
    images = (file.path for file in client.list_artifacts(run.info.run_id, "images"))
    return run, metrics, sorted(path.partition("+timestamp")[0] for path in images)


def weights_of(folder):
    (path,) = run_folder.folders(folder / "outputs" / "state")
    return {name: array.tobytes() for name, array in final_weights.arrays(path / "weights").items()}


def require_equal(killed, whole):
    (run, metrics, images), (expected_run, expected_metrics, expected_images) = record_of(killed), record_of(whole)
    assert run.info.status == expected_run.info.status == "FINISHED"
    assert metrics == expected_metrics
    assert images == expected_images
    assert run.data.params == expected_run.data.params
    assert weights_of(killed) == weights_of(whole)


def die(folder, place, passes, *arguments):
    """Run train.py, which kills itself at a place; return whether it did, and so was not finished before."""
    ended = programs.run(folder, DYING, place, str(passes), "train", *arguments)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode != 0


def kill_at_random(folder, chance, *arguments):
    """Run train.py, and kill it at a random moment of its training; return whether it was killed."""
    program = programs.Program(folder, "train", *arguments)
    deadline = time.monotonic() + 120
    while not any(run_folder.progress(path).step for path in run_folder.folders(folder / "outputs" / "state")):
        assert time.monotonic() < deadline
        if program.is_over():
            break
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 2))
    if not program.is_over():
        program.send(signal.SIGKILL)
    ended = program.end()
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode != 0


def kill_again_and_again(folder, chance, *arguments):
    """Run train.py until it is finished, killed on its way in each of several places; return how often it was."""
    kills = 0
    for place, passes in _places(chance):
        if not die(folder, place, passes, *arguments):
            return kills
        kills += 1
    kills += kill_at_random(folder, chance, *arguments)
    if run_folder.progress(next(run_folder.folders(folder / "outputs" / "state"))).status != "FINISHED":
        ended = programs.run(folder, "train", *arguments)
        assert ended.returncode == 0, ended.stderr
    return kills


def _places(chance):
    """Return where to die, each a little later than the one before."""
    return [
        ("log", chance.randint(6, 10)),
        ("save", chance.randint(1, 2)),
        ("delivery", chance.randint(2, 6)),
        ("evaluation", chance.randint(1, 4)),
        ("saved", chance.randint(0, 1)),
        ("weights", 0),
    ]


KILLED = [("tape", "keras2", "alternating"), ("trace", "keras3", "keras_gan")]


@pytest.mark.parametrize(("strategy", "keras", "update"), KILLED)
def test_a_run_that_is_killed_again_and_again_ends_with_the_bits_of_one_that_is_not(tmp_path, strategy, keras, update):
    _require_same_after_kills(tmp_path, strategy, keras, update)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "keras", "update"), list(product(STRATEGIES, KERAS, UPDATES)))
def test_every_variant_that_is_killed_again_and_again_ends_with_its_bits(tmp_path, strategy, keras, update):
    _require_same_after_kills(tmp_path, strategy, keras, update)


def _require_same_after_kills(tmp_path, strategy, keras, update):
    variant = (f"strategy={strategy}", f"keras={keras}", f"update={update}", "audit=record", *SHORT)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    programs.with_store(whole)
    programs.with_store(killed)
    ended = programs.run(whole, "train", *variant)
    assert ended.returncode == 0, ended.stderr
    kills = kill_again_and_again(killed, random.Random(f"{strategy} {keras} {update}"), *variant)
    assert kills >= 4
    print(f"{strategy} {keras} {update}: {kills} kills survived")
    require_equal(killed, whole)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of 60 steps; return its folder."""
    folder = programs.with_store(tmp_path_factory.mktemp("finished"))
    ended = programs.run(folder, "train", *SHORT)
    assert ended.returncode == 0, ended.stderr
    return folder


def test_a_run_that_is_interrupted_says_so_and_goes_on(tmp_path, finished):
    ended = programs.run(programs.with_store(tmp_path), DYING, "signal", "3", "train", *SHORT)
    assert ended.returncode == 128 + signal.SIGTERM
    assert "interrupted" in ended.stderr
    (path,) = run_folder.folders(tmp_path / "outputs" / "state")
    assert run_folder.progress(path).status == "KILLED"
    assert record_of(tmp_path)[0].info.status == "KILLED"
    saved = max(int(each.name[5:]) for each in (path / "checkpoints").glob("step-*"))
    assert saved == 10, "the span that began at step 6, a glance, was trained to its end, and its state saved"
    ended = programs.run(tmp_path, "train", *SHORT)
    assert ended.returncode == 0, ended.stderr
    assert f"goes on at step {saved} of 60" in ended.stdout
    require_equal(tmp_path, finished)


def test_a_store_that_was_not_ready_when_its_run_was_killed_is_made_again(tmp_path):
    """MLflow cannot go on with its tables: some of them would be made twice."""
    assert die(tmp_path, "store", 20, *TINY, "steps=5", "evaluator=none", "audit=off")
    ended = programs.run(tmp_path, "train", *TINY, "steps=5", "evaluator=none", "audit=off")
    assert ended.returncode == 0
    assert "did not reach MLflow" not in ended.stderr
    assert record_of(tmp_path)[0].info.status == "FINISHED"


def test_a_finished_run_is_not_run_into_by_the_same_command(tmp_path):
    options = (*TINY, "steps=5", "evaluator=none", "audit=off", "tracker=none")
    for _ in range(2):
        assert programs.run(tmp_path, "train", *options).returncode == 0
    assert len(list(run_folder.folders(tmp_path / "outputs" / "state"))) == 2


def test_a_run_can_become_longer(tmp_path, finished):
    short = [*(option if option != "steps=60" else "steps=40" for option in SHORT), "cadence.glance=6"]
    assert programs.run(programs.with_store(tmp_path), "train", *short).returncode == 0
    run = record_of(tmp_path)[0]
    ended = programs.run(tmp_path, "train", *SHORT, "cadence.glance=6", f"resume={run.info.run_id}")
    assert ended.returncode == 0, ended.stderr
    assert "goes on at step 40 of 60" in ended.stdout
    again, metrics, images = record_of(tmp_path)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    assert (metrics, images) == record_of(finished)[1:]
    assert weights_of(tmp_path) == weights_of(finished)
    (read,) = query.by_id(f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}", [run.info.run_id])
    assert (run.data.params["steps"], read.parameters["steps"]) == ("40", "60"), "MLflow's parameters cannot change"


REFUSED = [
    (["seed=1"], "this is another run: seed was 0, and is 1"),
    (["steps=59"], "the run has steps=60; steps=59 are fewer"),
    (["optimizer=sgd"], "optimizer was adam, and is sgd"),
    (["dataset=npz", "dataset.path=other.npz"], "dataset was digits, and is npz"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_a_changed_config_is_refused_with_the_keys_that_differ(finished, changes, message):
    import numpy as np

    images = np.zeros((20, 8, 8, 1), np.uint8)
    np.savez(finished / "other.npz", images=images, labels=np.arange(20) % 10)
    run = record_of(finished)[0].info.run_id
    options = [option for option in SHORT if option.partition("=")[0] not in {key.partition("=")[0] for key in changes}]
    ended = programs.run(finished, "train", *options, *changes, f"resume={run}")
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_schedule_does_not_let_a_run_become_longer(tmp_path):
    options = ("steps=5", *TINY, "evaluator=none", "audit=off", "schedule=linear", "tracker=none")
    assert programs.run(tmp_path, "train", *options).returncode == 0
    (path,) = run_folder.folders(tmp_path / "outputs" / "state")
    ended = programs.run(tmp_path, "train", "steps=9", *options[1:], f"resume={path.name}")
    assert ended.returncode == 1
    assert "schedule=linear depends on the number of steps, so steps=5 cannot become more" in ended.stderr


def test_an_unknown_run_is_refused(tmp_path):
    ended = programs.run(tmp_path, "train", f"resume={'0' * 32}", "evaluator=none", "steps=5")
    assert ended.returncode == 1
    assert f"resume={'0' * 32}: there is no such run in outputs/state" in ended.stderr


def test_the_best_weights_are_kept_and_recorded(tmp_path):
    options = (*SHORT, "ema=none", "keep.best=classifier/fid", "keep.last=1")
    programs.with_store(tmp_path)
    ended = programs.run(tmp_path, "train", *[option for option in options if option != "ema=0.9"])
    assert ended.returncode == 0, ended.stderr
    run, metrics, _ = record_of(tmp_path)
    best = min(metrics["classifier/fid"], key=lambda pair: pair[1])[0]
    (path,) = run_folder.folders(tmp_path / "outputs" / "state")
    assert {int(each.name[5:]) for each in (path / "checkpoints").glob("step-*")} == {best, 60}
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}")
    assert "best/generator.weights.h5" in [file.path for file in client.list_artifacts(run.info.run_id, "best")]
    ended = programs.run(tmp_path, "train", "keep.best=inception/fid", "steps=5", *TINY)
    assert ended.returncode == 1
    assert "keep.best=inception/fid: is not measured; evaluator=classifier measures classifier/fid" in ended.stderr
