"""A full disk stops no training. What can be recorded is recorded, and when there is room the run goes on."""

import subprocess
from pathlib import Path

import programs
import pytest
from mlflow import MlflowClient

OPTIONS = ("architecture=dcgan", "architecture.filters=4", "batch_size=8", "evaluator=none", "steps=40", "audit=off")
CADENCE = ("cadence.log=5", "cadence.save=10", "cadence.evaluate=20", "cadence.glance=null", "tracker.patience=5.0")

FULL_DISK = Path(__file__).parent / "full_disk.py"


def can_mount():
    command = ["unshare", "--mount", "--map-root-user", "true"]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not can_mount(), reason="this system lets no user mount a file system of his own")
@pytest.mark.parametrize("room", [60_000, 200_000])
def test_a_run_on_a_full_disk_trains_and_goes_on_when_there_is_room(tmp_path, room):
    """With little room there is no checkpoint at all; with more, some; the final weights need the most."""
    (tmp_path / "state").mkdir()
    programs.with_store(tmp_path)
    ended = programs.run(tmp_path, FULL_DISK, str(2**20 - room), *OPTIONS, *CADENCE, "paths.state=state")
    assert ended.returncode == 0, (ended.stdout, ended.stderr)
    first, _, second = ended.stdout.partition("there is room again")
    assert "Traceback" not in ended.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("ganfreeze")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    if "ended with" in first:
        assert "No space left on device" in ended.stderr
        (run,) = runs
        assert "goes on at step" in second or room < 200_000
    else:
        assert len(runs) == 2, "the first run had room enough, and the second is another"
        run = runs[0]
    assert run.info.status == "FINISHED"
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "generator_loss")]
    assert sorted(steps) == list(range(5, 41, 5))
    assert "weights/generator.weights.h5" in [file.path for file in client.list_artifacts(run.info.run_id, "weights")]
