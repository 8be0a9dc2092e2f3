"""A sweep on a real Slurm: what is killed, preempted or out of time goes on, and all ends as on one machine."""

import pytest
import slurm
from cluster_sweep import Sweep, plain_table, table
from servers import started_mlflow

from ganfreeze.record import run_folder


@pytest.fixture
def cluster(tmp_path_factory):
    """Start a Slurm; yield it."""
    if missing := slurm.missing():
        pytest.skip(f"{', '.join(missing)} is not installed: apt-get install {slurm.PACKAGES}")
    with slurm.Slurm(tmp_path_factory.mktemp("slurm")) as started:
        yield started


@pytest.fixture
def sweep(tmp_path, cluster):
    """Return the sweep of eight runs, not yet started, and a server that records it. In the end it is killed."""
    with started_mlflow(tmp_path / "mlflow") as server:
        made = Sweep(tmp_path, server, "hydra/launcher=submitit_slurm", **cluster.environment)
        yield made
        made.kill()


def test_eight_runs_are_killed_preempted_and_out_of_time_and_end_as_on_one_machine(cluster, sweep, session_cache):
    sweep.start()
    killed, process = sweep.next_training()
    process.kill()
    warned, process = sweep.next_training(killed)
    cluster.run("scancel", "--signal=USR2", process.environ()["SLURM_JOB_ID"])  # as before the end of its time
    process.resume()
    sweep.wait(lambda: not run_folder.is_held(warned))
    preempted, _ = sweep.next_training(killed, warned)
    cluster.run("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    output, errors = sweep.end()
    assert errors.count("is tried again") == 1, "Slurm puts the other two back by itself"
    sweep.require_complete()
    assert {str(killed), str(warned), str(preempted)} <= sweep.resumed()
    assert sweep.logs().count("training the classifier") == 1, "it is prepared once for all nodes"
    again, _ = sweep.run()
    assert again.count("is finished already") == 8
    assert table(again) == table(output) == plain_table(session_cache.parent)
