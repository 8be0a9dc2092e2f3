"""Measure whether memory and open files grow: python benchmarks/memory.py [run] [sweep]

A run of 10,000 steps with all that train.py does, and a sweep of 30 runs. Print a table for each word given; without a
word, print both. A run is measured at each evaluation, a sweep at the end of each of its jobs.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).parent.parent.resolve()


class Sample(NamedTuple):
    """What a process and its children hold: the number of steps or runs done, megabytes, open files, threads."""

    done: int
    megabytes: float
    files: int
    threads: int


def main(names: list[str]) -> None:
    """Print the tables of these names, or both."""
    for name in names or ["run", "sweep"]:
        unit, samples = {"run": ("steps", run), "sweep": ("runs", sweep)}[name]
        print(f"| {unit} | MB | open files | threads |\n| --- | --- | --- | --- |", flush=True)
        for sample in samples():
            print(f"| {sample.done:,} | {sample.megabytes:.0f} | {sample.files} | {sample.threads} |", flush=True)
        print()


def run(steps: int = 10_000, every: int = 1000, *options: str) -> Iterator[Sample]:
    """Train a run of so many steps, and yield a sample whenever another `every` steps are done."""
    from ganfreeze.record import run_folder

    arguments = [f"steps={steps}", f"cadence.evaluate={every}", "evaluator.samples=200", "jit=off", *options]
    with tempfile.TemporaryDirectory() as folder:
        process = _start(folder, *arguments)
        next_one = every
        while process.poll() is None:
            time.sleep(0.2)
            step = max([0, *(run_folder.progress(path).step for path in run_folder.folders(Path(folder, "state")))])
            if step >= next_one:
                yield _sample(process.pid, step)
                next_one = step // every * every + every
        assert process.returncode == 0


def sweep(runs: int = 30, *options: str) -> Iterator[Sample]:
    """Train a sweep of so many runs, and yield a sample of its launcher whenever another has ended."""
    from ganfreeze.record import run_folder

    arguments = ["-m", f"seed=range({runs})", "steps=20", "evaluator=none", "architecture=dcgan", *options]
    with tempfile.TemporaryDirectory() as folder:
        process = _start(folder, *arguments)
        done = 0
        while process.poll() is None:
            time.sleep(0.1)
            ends = [run_folder.progress(path).status for path in run_folder.folders(Path(folder, "state"))]
            if ends.count("FINISHED") > done:
                done = ends.count("FINISHED")
                yield _sample(process.pid, done, jobs=False)
        assert process.returncode == 0


def _start(folder: str, *arguments: str) -> subprocess.Popen[bytes]:
    paths = [f"paths.{name}={folder}/{name}" for name in ("state", "mlruns", "cache")]
    hydra = [f"hydra.run.dir={folder}/run", f"hydra.sweep.dir={folder}/sweep"]
    command = [sys.executable, str(ROOT / "src" / "train.py"), *paths, *hydra, *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _sample(pid: int, done: int, *, jobs: bool = True) -> Sample:
    """Sample a process and its children; without `jobs`, leave out the children of its children."""
    process = psutil.Process(pid)
    held = [process, *process.children(recursive=jobs)]
    memory = sum(each.memory_info().rss for each in held) / 2**20
    return Sample(done, memory, sum(each.num_fds() for each in held), sum(each.num_threads() for each in held))


if __name__ == "__main__":
    main(sys.argv[1:])
