"""Old runs, recorded before modules moved and words were renamed, still give samples and metrics.

`recorded_store.tar.xz` is an MLflow store. Commit 7ce13c0 wrote it: three runs with steps=20 batch_size=8 and

    strategy=tape architecture=dcgan architecture.filters=2 ema=0.5 packing=2 loss=hinge evaluator.samples=100
    strategy=compile update=seed architecture=dcgan architecture.filters=2 evaluator=none regularizer=weight_clip
    strategy=toggle keras=keras3 dataset=dirac architecture=dirac optimizer=sgd evaluator=none

The paths in it were then replaced by /recorded, and the records of the machine were removed.
"""

import sqlite3
import tarfile
from pathlib import Path

import numpy as np
import programs
import pytest
from mlflow import MlflowClient
from PIL import Image


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Unpack the store. Return its folder, a client, and its runs by their strategy."""
    folder = tmp_path_factory.mktemp("recorded")
    with tarfile.open(Path(__file__).with_name("recorded_store.tar.xz")) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2, Debian's, has none
        archive.extractall(folder)
    database = folder / "mlruns" / "mlflow.db"
    location = (folder / "mlruns").as_uri()
    with sqlite3.connect(database) as connection:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, 'file:///recorded/mlruns', ?)", [location]
            )
    client = MlflowClient(f"sqlite:///{database}")
    return folder, client, {run.data.params["strategy"]: run for run in client.search_runs(["1"])}


@pytest.mark.parametrize("strategy", ["tape", "compile", "toggle"])
def test_an_old_run_gives_its_samples(store, strategy):
    """The picture is the one that the run recorded at its last step, up to the rounding of another processor."""
    folder, client, runs = store
    run_id = runs[strategy].info.run_id
    count = "2500" if strategy == "toggle" else "64"  # points are drawn as a scatter plot
    program = programs.run(folder, "sample", f"run={run_id}", f"count={count}", "output=samples.png")
    assert program.returncode == 0, program.stderr
    pictures = [file.path for file in client.list_artifacts(run_id, "images")]
    (path,) = [path for path in pictures if "samples+step+20+" in path]
    with Image.open(folder / "samples.png") as drawn, Image.open(client.download_artifacts(run_id, path)) as recorded:
        pixels, recorded_pixels = (np.asarray(picture.convert("RGB"), np.int16) for picture in (drawn, recorded))
    difference = np.abs(pixels - recorded_pixels)
    assert difference.max() <= 1 if strategy != "toggle" else (difference > 1).mean() < 0.01


def test_an_old_run_is_evaluated_again(store):
    folder, client, runs = store
    before = runs["tape"]
    program = programs.run(folder, "evaluate", f"run={before.info.run_id}")
    assert program.returncode == 0, program.stderr
    after = client.get_run(before.info.run_id).data
    for name in ("classifier", "classifier_ema"):
        (new_name,) = {key.partition("/")[0] for key in after.metrics if key.startswith(f"{name}-100x1-")}
        for metric in ("fid", "inception_score"):
            assert after.metrics[f"{new_name}/{metric}"] == pytest.approx(after.metrics[f"{name}/{metric}"], rel=0.05)
    assert before.data.metrics.items() <= after.metrics.items()


def test_an_old_run_is_evaluated_by_another_protocol(store):
    folder, _, runs = store
    options = ("evaluator=classifier", "evaluator.samples=50", "evaluator.metrics=[inception_score]")
    program = programs.run(folder, "evaluate", f"run={runs['compile'].info.run_id}", *options)
    assert program.returncode == 0, program.stderr
    assert "inception_score" in program.stdout
