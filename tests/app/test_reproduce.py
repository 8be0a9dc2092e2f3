"""A recorded run can be run again from its record, and every difference is named."""

import os
import shlex

import h5py
import pytest
from conftest import ROOT, TINY
from mlflow import MlflowClient
from mlflow.entities import Metric
from programs import run, with_store

from ganfreeze.record import final_weights

OPTIONS = ("steps=30", "cadence.log=10", "cadence.evaluate=15", "evaluator.samples=50", "audit=off", *TINY, "ema=0.5")


def store(folder):
    return MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")


def only_run(folder):
    client = store(folder)
    experiment = client.get_experiment_by_name("ganfreeze")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id])[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a run; return its folder."""
    folder = with_store(tmp_path_factory.mktemp("reproduced"))
    ended = run(folder, "train", *OPTIONS)
    assert ended.returncode == 0, ended.stderr
    return folder


def test_a_run_is_reproduced_to_the_bit(trained):
    """What an evaluation has added to the run since is no part of it."""
    recorded = only_run(trained)
    store(trained).log_metric(recorded.info.run_id, "classifier-1000x5-ab12cd/fid", 25.0)
    ended = run(trained, "reproduce", f"run={recorded.info.run_id}")
    assert ended.returncode == 0, (ended.stdout, ended.stderr)
    sentence = f"run {recorded.info.run_id} is reproduced: all metrics and weights are equal, to the bit"
    assert sentence in ended.stdout
    assert ended.stderr == ""
    assert len(store(trained).search_runs([recorded.info.experiment_id])) == 1, "nothing was recorded"


def test_the_record_says_where_it_comes_from(trained):
    tags = only_run(trained).data.tags
    for key in ("machine.processor", "machine.cores", "machine.threads", "machine.memory", "version.tensorflow"):
        assert tags[key]
    assert tags["ganfreeze.command"].endswith(shlex.join(OPTIONS))
    if tags["ganfreeze.git.dirty"] == "true":
        files = [file.path for file in store(trained).list_artifacts(only_run(trained).info.run_id)]
        assert ("changes.diff" in files) == bool(os.popen(f"git -C {ROOT} diff HEAD").read().strip())


def test_a_metric_and_a_weight_that_are_others_are_named_and_so_is_another_version(trained):
    """This comes last: it changes the record."""
    client, recorded = store(trained), only_run(trained)
    run_id = recorded.info.run_id
    client.log_batch(run_id, metrics=[Metric("generator_loss", 7.0, 10**13, 10)], synchronous=True)
    client.set_tag(run_id, "version.tensorflow", "1.0")
    weights = trained / "mlruns" / "artifacts" / run_id / "artifacts" / "weights"
    with h5py.File(weights / "generator.weights.h5", "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        file[names[0]][...] += 1.0
    ended = run(trained, "reproduce", f"run={run_id}")
    assert ended.returncode == 1
    assert f"run={run_id} was not reproduced: 2 differences" in ended.stderr
    assert "version.tensorflow was 1.0, and is 2.21.0" in ended.stderr
    rows = [line.split(" | ") for line in ended.stdout.splitlines()]
    assert ["| generator_loss", "step 10", "7.0"] in [row[:3] for row in rows]
    assert [f"| generator.weights.h5/{names[0]}", "largest difference of an element", "0", "1 |"] in rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "run has no default: set run=..."),
        (["run=xyz"], "run=xyz: must be an MLflow run id"),
        (["run=" + "0" * 32], f"Run with id={'0' * 32} not found"),
        (["run=" + "0" * 32, "steps=5"], "steps: cannot be chosen here"),
    ],
)
def test_mistakes_give_a_sentence(trained, arguments, message):
    if "steps=5" in arguments:
        arguments = [f"run={only_run(trained).info.run_id}", "steps=5"]
    ended = run(trained, "reproduce", *arguments)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("threads", ["1", "2"])
def test_two_runs_are_equal_with_one_thread_and_with_two(tmp_path, threads):
    """The record says how many threads there were."""
    environment = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads, "OMP_NUM_THREADS": threads}
    bits = []
    for name in ("first", "second"):
        folder = with_store(tmp_path / name)
        ended = run(folder, "train", "architecture=dcgan", "steps=20", "evaluator=none", **environment)
        assert ended.returncode == 0, ended.stderr
        recorded = only_run(folder)
        assert f"TF_NUM_INTRAOP_THREADS={threads}" in recorded.data.tags["machine.threads"]
        (weights,) = folder.glob("outputs/state/*/weights")
        bits.append({name: array.tobytes() for name, array in final_weights.arrays(weights).items()})
    assert bits[0] == bits[1]
