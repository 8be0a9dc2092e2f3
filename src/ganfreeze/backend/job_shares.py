"""The share of the machine that each of several parallel jobs gets: cores, and a GPU or a part of one."""

import os
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ganfreeze.backend import machine


class Gpu(NamedTuple):
    """A GPU: its name as in CUDA_VISIBLE_DEVICES, and its memory in MB, or None if that is not known."""

    name: str
    memory: int | None


def core_shares(n_jobs: int) -> Mapping[str, str]:
    """Return the environment variables that give each of `n_jobs` jobs its share of the cores."""
    return {} if n_jobs == 1 else threads(machine.cores() // n_jobs)


def threads(cores: float) -> Mapping[str, str]:
    """Return the environment variables that give a job as many threads as its cores, and at least one."""
    return dict.fromkeys(machine.THREADS, str(max(1, int(cores))))


def gpus() -> Sequence[Gpu]:
    """Return the GPUs that jobs may use: those of CUDA_VISIBLE_DEVICES, or all of nvidia-smi if it is not set."""
    command = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        lines = []
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    memory = {name: int(row[2]) if row[2].isdigit() else None for row in rows for name in row[:2]}  # "[N/A]" if shared
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [row[0] for row in rows] if visible is None else [name for name in visible.split(",") if name.strip()]
    return [Gpu(name, memory.get(name)) for name in names]


def gpu_shares(n_jobs: int, gpus: Sequence[Gpu], devices: int = 1) -> Sequence[Mapping[str, str]]:
    """Return, for each of `n_jobs` parallel jobs, the environment variables that give it a GPU or a share of one.

    A job that trains on several `devices` gets as many GPUs, or all of them if there are fewer. A tenth of the memory
    of a shared GPU is left free. It is for what TensorFlow does not count as its own, such as the CUDA context of each
    job.
    """
    if not gpus:
        return [{}] * n_jobs
    each = min(devices, len(gpus))
    places = [[place % len(gpus) for place in range(number * each, (number + 1) * each)] for number in range(n_jobs)]
    jobs_of = Counter(place for own in places for place in own)
    shares = []
    for own in places:
        share = {"CUDA_VISIBLE_DEVICES": ",".join(gpus[place].name for place in own)}
        sharing, memory = max(jobs_of[place] for place in own), min(gpus[place].memory or 0 for place in own)
        if sharing > 1 and memory:
            share["GANFREEZE_GPU_MEMORY"] = str(memory * 9 // 10 // sharing)
        shares.append(share)
    return shares
