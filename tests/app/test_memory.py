"""Memory, open files and threads stay flat over a run and over a sweep. `benchmarks/memory.py` measures longer ones."""

import sys

import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import memory

SMALL = ("architecture=dcgan", "architecture.filters=4", "batch_size=8", "cadence.log=10", "cadence.save=100")


def require_flat(samples, megabytes):
    assert len(samples) >= 3
    begin, end = samples[0], samples[-2]  # the last may be one of a process that ends
    assert end.megabytes - begin.megabytes < megabytes
    assert end.files <= begin.files + 3, "a lock or a journal may be open at the moment"
    assert end.threads <= begin.threads + 1


def test_a_run_does_not_grow(session_cache):
    """It saves twenty checkpoints, evaluates ten times and logs two hundred times."""
    require_flat(list(memory.run(2000, 200, *SMALL, f"paths.cache={session_cache}")), megabytes=30)


@pytest.mark.slow
def test_a_run_of_ten_thousand_steps_does_not_grow():
    require_flat(list(memory.run()), megabytes=30)


@pytest.mark.slow
def test_a_sweep_of_thirty_runs_does_not_grow():
    require_flat(list(memory.sweep()), megabytes=30)
