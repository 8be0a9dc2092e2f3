"""What each of the jobs that run at one time has of the machine: cores, and a GPU or a part of one."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ganfreeze.backend import machine


class Gpu(NamedTuple):
    """A GPU by the name that CUDA_VISIBLE_DEVICES knows it by, and its memory, in MB, where that is known."""

    name: str
    memory: int | None


def core_shares(n_jobs: int) -> Mapping[str, str]:
    """The environment that gives each of so many jobs its share of the cores."""
    if n_jobs == 1:
        return {}
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return dict.fromkeys(threads, str(max(1, machine.cores() // n_jobs)))


def gpus() -> Sequence[Gpu]:
    """The GPUs that jobs may use: those of CUDA_VISIBLE_DEVICES, or all that NVIDIA's own tool knows of."""
    command = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        listed = []
    rows = [[cell.strip() for cell in line.split(",")] for line in listed]
    memory = {name: int(row[2]) for row in rows for name in row[:2]}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [row[0] for row in rows] if visible is None else [name for name in visible.split(",") if name.strip()]
    return [Gpu(name, memory.get(name)) for name in names]


def gpu_shares(n_jobs: int, gpus: Sequence[Gpu]) -> Sequence[Mapping[str, str]]:
    """For each of so many jobs at a time, the environment that gives it a GPU, or its share of the memory of one.

    A tenth of a shared GPU is left for what does not count as TensorFlow's, such as a CUDA context for each job.
    """
    if not gpus:
        return [{}] * n_jobs
    shares = []
    for number in range(n_jobs):
        gpu = gpus[number % len(gpus)]
        sharing = len(range(number % len(gpus), n_jobs, len(gpus)))
        share = {"CUDA_VISIBLE_DEVICES": gpu.name}
        if sharing > 1 and gpu.memory:
            share["GANFREEZE_GPU_MEMORY"] = str(gpu.memory * 9 // 10 // sharing)
        shares.append(share)
    return shares
