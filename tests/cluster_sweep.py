"""The sweep of eight runs that the tests of clusters start, and what became of it."""

import json
import os
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
from conftest import ROOT
from filelock import FileLock
from mlflow import MlflowClient

from ganfreeze.record import run_folder

_PATIENCE = 1800.0  # seconds: other tests take the cores meanwhile
SEEDS = range(8)
STEPS, FIRST = 1000, 100  # of a run, and of its first checkpoint after the start
SWEEP = (
    "-m",
    f"seed=range({len(SEEDS)})",
    f"steps={STEPS}",
    "architecture.generator_units=[8]",
    "architecture.discriminator_units=[8]",
    "batch_size=8",
    "evaluator.samples=100",
    "cadence.log=10",
    f"cadence.save={FIRST}",
    "keep.last=20",
    "cadence.glance=null",
    "jit=off",
    "fused_steps=10",
    "audit=off",
)


class Sweep:
    """The sweep of eight runs in `folder`, which all nodes share, recorded by the server at `uri`."""

    def __init__(self, folder: Path, uri: str, *options: str, **environment: str) -> None:
        self.folder, self._uri, self._name = folder, uri, folder.name
        tracker = [f"tracker.uri={uri}", f"tracker.experiment={self._name}"]
        self._command = [sys.executable, str(ROOT / "src" / "train.py"), *SWEEP, *tracker, *options]
        self._environment = os.environ | environment | {"GANFREEZE_CACHE": str(folder / "cache")}
        self._process = None

    def start(self) -> None:
        """Start the command."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(self._command, cwd=self.folder, env=self._environment, **pipes)

    def end(self) -> tuple[str, str]:
        """Wait for the end of the command, which must be a good one; return what it printed."""
        assert self._process is not None
        output, errors = self._process.communicate(timeout=_PATIENCE)
        assert self._process.returncode == 0, (output, errors)
        return output, errors

    def kill(self) -> None:
        """End the command, if it runs."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def run(self) -> tuple[str, str]:
        """Run the command to its end, as `end` does."""
        self.start()
        return self.end()

    def training(self, *but: Path) -> dict[Path, psutil.Process]:
        """Return the folders of the runs, `but` these, that train now and have trained a while, and their processes."""
        held = [path for path in run_folder.folders(self.folder / "outputs" / "state") if run_folder.is_held(path)]
        begun = [path for path in held if path not in but and (path / "checkpoints" / f"step-{FIRST:010}").exists()]
        return {path: process for path in begun if (process := _holder(path / "lock"))}

    def next_training(self, *but: Path) -> tuple[Path, psutil.Process]:
        """Wait for the next run that `training` returns, and stop its process for the moment."""
        while True:
            path, process = next(iter(self.wait(partial(self.training, *but)).items()))
            process.suspend()
            if run_folder.progress(path).step < STEPS - FIRST:
                return path, process
            process.resume()  # it has all but ended
            but = (*but, path)

    def wait(self, condition):
        """Wait until a condition holds while the command runs; return its value."""
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        while not (value := condition()):
            assert self._process.poll() is None, self._process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return value

    def logs(self) -> str:
        """Return what the runs logged."""
        return "".join(file.read_text() for file in self.folder.glob("outputs/sweeps/*/*/train.log"))

    def require_complete(self) -> None:
        """Check that the server has each run once, finished, with each step once, and that its files are there."""
        client = MlflowClient(self._uri)
        experiment = client.get_experiment_by_name(self._name)
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        assert sorted(int(run.data.params["seed"]) for run in runs) == list(SEEDS)
        for run in runs:
            assert run.info.status == "FINISHED"
            steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "generator_loss")]
            assert sorted(steps) == list(range(10, STEPS + 1, 10))
            assert "seed=range(8)" in run.data.tags["ganfreeze.command"]
            assert {"config.yaml", "images", "weights"} <= {
                file.path for file in client.list_artifacts(run.info.run_id)
            }

    def resumed(self) -> set[str]:
        """Return the folders of the runs that went on after an interruption."""
        client = MlflowClient(self._uri)
        experiment = client.get_experiment_by_name(self._name)
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        return {run.data.tags["ganfreeze.folder"] for run in runs if "ganfreeze.resumed" in run.data.tags}


def _holder(file: Path) -> psutil.Process | None:
    """Return the process that has a file open."""
    for process in psutil.process_iter():
        try:
            if any(Path(opened.path) == file for opened in process.open_files()):
                return process
        except psutil.Error:
            continue
    return None


def table(output: str) -> list[str]:
    """Return the table that closes a sweep, without the speeds."""
    lines = output[output.index("\nall:") :].partition("\nRuns: ")[0].splitlines()
    return [re.sub(r"\s+[\d.]+(?=\s+\d\.\d{3}\s+-\s+FINISHED)", " SPEED", line) for line in lines]


def plain_table(base: Path) -> list[str]:
    """Return the table of the sweep on this machine, without a cluster. The first of several processes makes it."""
    folder, file = base / "plain", base / "plain.json"
    with FileLock(base / "plain.lock"):
        if not file.exists():
            folder.mkdir()
            one_core_each = f"hydra.launcher.n_jobs={len(os.sched_getaffinity(0))}"  # as on the clusters
            sweep = Sweep(folder, f"sqlite:///{folder}/mlflow.db", one_core_each)
            try:
                file.write_text(json.dumps(table(sweep.run()[0])))
            finally:
                sweep.kill()
        return json.loads(file.read_text())
