"""Runs that were recorded before modules moved and words were renamed still give samples and metrics.

`recorded_store.tar.xz` is a store that commit 7ce13c0 wrote, three runs of steps=20 batch_size=8:

    strategy=tape architecture=dcgan architecture.filters=2 ema=0.5 packing=2 loss=hinge evaluator.samples=100
    strategy=compile update=seed architecture=dcgan architecture.filters=2 evaluator=none regularizer=weight_clip
    strategy=toggle keras=keras3 dataset=dirac architecture=dirac optimizer=sgd evaluator=none

Its paths were then replaced by /recorded, and the records of the machine taken out.
"""

import sqlite3
import tarfile
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image
from programs import run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The store, unpacked, and its runs by their strategy."""
    folder = tmp_path_factory.mktemp("recorded")
    with tarfile.open(Path(__file__).with_name("recorded_store.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
    database = folder / "mlruns" / "mlflow.db"
    here = (folder / "mlruns").as_uri()
    with sqlite3.connect(database) as connection:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, 'file:///recorded/mlruns', ?)", [here])
    client = MlflowClient(f"sqlite:///{database}")
    return folder, client, {found.data.params["strategy"]: found for found in client.search_runs(["1"])}


@pytest.mark.parametrize("strategy", ["tape", "compile", "toggle"])
def test_a_run_of_before_gives_its_samples(store, strategy):
    """The picture that it recorded at its last step, within the rounding of another processor."""
    folder, client, runs = store
    run_id = runs[strategy].info.run_id
    count = "2500" if strategy == "toggle" else "64"  # points are drawn as a cloud
    done = run(folder, "sample", f"run={run_id}", f"count={count}", "output=samples.png")
    assert done.returncode == 0, done.stderr
    pictures = [each.path for each in client.list_artifacts(run_id, "images")]
    (recorded,) = [path for path in pictures if "samples+step+20+" in path]
    with Image.open(folder / "samples.png") as ours, Image.open(client.download_artifacts(run_id, recorded)) as kept:
        difference = np.abs(np.asarray(ours, np.int16) - np.asarray(kept, np.int16))
    assert difference.max() <= 1 if strategy != "toggle" else (difference > 1).mean() < 0.01


def test_a_run_of_before_is_evaluated_again(store):
    folder, client, runs = store
    before = runs["tape"]
    done = run(folder, "evaluate", f"run={before.info.run_id}")
    assert done.returncode == 0, done.stderr
    after = client.get_run(before.info.run_id).data
    for name in ("classifier", "classifier_ema"):
        (label,) = {key.partition("/")[0] for key in after.metrics if key.startswith(f"{name}-100x1-")}
        for metric in ("fid", "inception_score"):
            assert after.metrics[f"{label}/{metric}"] == pytest.approx(after.metrics[f"{name}/{metric}"], rel=0.05)
    assert before.data.metrics.items() <= after.metrics.items()


def test_a_run_of_before_is_evaluated_under_another_protocol(store):
    folder, _, runs = store
    options = ("evaluator=classifier", "evaluator.samples=50", "evaluator.metrics=[inception_score]")
    done = run(folder, "evaluate", f"run={runs['compile'].info.run_id}", *options)
    assert done.returncode == 0, done.stderr
    assert "inception_score" in done.stdout
