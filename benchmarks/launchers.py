"""Time a run of a sweep under each launcher: in processes of this machine, on a Slurm, and on a Ray cluster:

    python benchmarks/launchers.py [ROUNDS]

Slurm and Ray are started here, as tests do, so the network costs nothing. Runs have 100 steps, go one
by one, and have one thread. A sweep of four runs beside one of a single run gives the time of each further run. Sweeps
take turns; print the median of each launcher.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parent.parent.resolve()
sys.path.insert(0, str(ROOT / "tests"))
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
FEW, MANY = 1, 4


def main(rounds: int) -> None:
    """Print a table with a row for each launcher."""
    from ray.cluster_utils import Cluster
    from slurm import Slurm

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("slurm", "work"):
            (folder / name).mkdir()
        slurm = stack.enter_context(Slurm(folder / "slurm"))
        ray = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        stack.callback(ray.shutdown)
        launchers: Mapping[str, list[str]] = {
            "fresh_process": [],
            "submitit_slurm": ["hydra.launcher.array_parallelism=1"],
            "ray": [f"hydra.launcher.ray.init.address={ray.address}"],
        }

        def seconds(launcher: str, runs: int) -> float:
            began = perf_counter()
            _sweep(folder / "work", runs, slurm.environment, f"hydra/launcher={launcher}", *launchers[launcher])
            return perf_counter() - began

        times = {(name, runs): list[float]() for name in launchers for runs in (FEW, MANY)}
        for name in launchers:
            seconds(name, FEW)  # not used: it reads files from the disk
        for _ in range(rounds):
            for key, found in times.items():
                found.append(seconds(*key))
    print("| launcher | a sweep of one run | each further run | over `fresh_process` |\n| --- | --- | --- | --- |")
    first = {name: statistics.median(times[name, FEW]) for name in launchers}
    further = {name: (statistics.median(times[name, MANY]) - first[name]) / (MANY - FEW) for name in launchers}
    for name in launchers:
        over = further[name] - further["fresh_process"]
        print(f"| `{name}` | {first[name]:.1f} s | {further[name]:.1f} s | {over:+.1f} s |")


def _sweep(folder: Path, runs: int, environment: Mapping[str, str], *options: str) -> None:
    command = [sys.executable, str(ROOT / "src" / "train.py"), "-m", f"seed=range({runs})", "steps=100", "jit=off"]
    command += ["evaluator=none", "resume=never", *options]
    environment = {**os.environ, **environment, **ONE_THREAD}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 3)
