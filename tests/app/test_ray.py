"""A sweep on a real Ray cluster of two nodes: what is killed or preempted goes on, and all ends as on one machine."""

import pytest
from cluster_sweep import Sweep, plain_table, table
from ray.cluster_utils import Cluster
from servers import started_mlflow

STORE = 100 * 2**20  # bytes


@pytest.fixture
def cluster(monkeypatch):
    """Start a Ray cluster of two nodes with a processor each; yield its address."""
    monkeypatch.setenv("RAY_worker_niceness", "0")  # Ray's jobs would wait for all other tests: it gives them 15
    started = Cluster()
    try:
        for _ in range(2):
            started.add_node(num_cpus=1, object_store_memory=STORE, include_dashboard=False)
        yield started.address
    finally:
        started.shutdown()


@pytest.fixture
def sweep(tmp_path, cluster):
    """Return the sweep of eight runs, not yet started, and a server that records it. In the end it is killed."""
    with started_mlflow(tmp_path / "mlflow") as server:
        made = Sweep(tmp_path, server, "hydra/launcher=ray", f"hydra.launcher.ray.init.address={cluster}")
        yield made
        made.kill()


def test_eight_runs_are_killed_and_preempted_and_end_as_on_one_machine(sweep, session_cache):
    sweep.start()
    killed, process = sweep.next_training()
    process.kill()
    preempted, process = sweep.next_training(killed)
    process.terminate()
    process.resume()
    output, errors = sweep.end()
    assert "is tried again" not in errors, "Ray starts both again by itself"
    sweep.require_complete()
    assert {str(killed), str(preempted)} <= sweep.resumed()
    assert sweep.logs().count("training the classifier") == 1, "it is prepared once for all nodes"
    again, _ = sweep.run()
    assert again.count("is finished already") == 8
    assert table(again) == table(output) == plain_table(session_cache.parent)
