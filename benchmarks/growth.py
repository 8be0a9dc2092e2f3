"""Measure how the cost grows with the batch, the image size, the number of images and the number of runs in a sweep:

    python benchmarks/growth.py [batch] [side] [data] [sweep]

Print a table for each word given; without a word, print all four. The images are random, because the cost of a step
does not depend on their content. The largest data set is a memory map that is larger than the machine's memory. Its
file is sparse, so it takes no room on the disk.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
from hydra import initialize_config_dir

from ganfreeze.app.compose import compose_variant
from ganfreeze.app.execution import build_fastest
from ganfreeze.data.dataset.base import Dataset, Examples, Split

ROOT = Path(__file__).parent.parent.resolve()
_SECONDS, _FEW = 2.0, 10


def main(names: list[str]) -> None:
    """Print the tables of these names, or all tables."""
    tables = {"batch": batch, "side": side, "data": data, "sweep": sweep}
    for name in names or tables:
        for line in tables[name]():
            print(line, flush=True)
        print()


def batch() -> Iterator[str]:
    """Yield the lines of the table of batch sizes: the mlp on images of MNIST's shape."""
    yield "| mlp 28x28, batch | steps/s | examples/s | how |\n| --- | --- | --- | --- |"
    for size in (16, 32, 64, 128, 256, 512):
        rate, how = _rate(_random(2000, 28), f"batch_size={size}")
        yield f"| {size} | {rate:.1f} | {rate * size:.0f} | {how} |"


def side() -> Iterator[str]:
    """Yield the lines of the table of image sizes: the dcgan on batches of 32."""
    yield "| dcgan, batch 32, side | steps/s | how |\n| --- | --- | --- |"
    for pixels in (8, 16, 28, 32, 64):
        rate, how = _rate(_random(500, pixels), "architecture=dcgan", "batch_size=32")
        yield f"| {pixels} | {rate:.2f} | {how} |"


def data() -> Iterator[str]:
    """Yield the lines of the table of data sizes: an array in memory, then memory maps, the last larger than memory.

    An epoch's permutation holds an index of 8 bytes for each image. Two permutations are in memory at a time.
    """
    yield "| mlp 28x28, images | as | size | steps/s | memory of its own |\n| --- | --- | --- | --- | --- |"
    beyond = int(1.25 * psutil.virtual_memory().total) // 28**2
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        for count, mapped in ((60_000, False), (60_000, True), (1_000_000, True), (beyond, True)):
            images: Examples = _random(count, 28) if not mapped else _sparse(Path(folder) / f"{count}", count)
            rate, _ = _rate(images, "jit=on", "fused_steps=20")
            kind = "memory map" if mapped else "array"
            yield f"| {count:,} | {kind} | {images.nbytes / 2**30:.2f} GiB | {rate:.1f} | {_megabytes():.0f} MB |"
            del images


def sweep() -> Iterator[str]:
    """Yield the lines of the table of sweeps: runs of 300 steps on the digits, one or two at a time."""
    yield "| runs in a sweep | at a time | seconds | seconds a run |\n| --- | --- | --- | --- |"
    for count, at_once in ((1, 1), (2, 1), (4, 1), (4, 2)):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(ROOT / "src" / "train.py"), "-m", "steps=300", f"seed=range({count})"]
            command += ["evaluator=none", f"hydra.launcher.n_jobs={at_once}", f"paths.mlruns={folder}/mlruns"]
            command += [f"hydra.sweep.dir={folder}/sweep", f"paths.cache={folder}/cache", f"paths.state={folder}/state"]
            began = perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds = perf_counter() - began
        yield f"| {count} | {at_once} | {seconds:.1f} | {seconds / count:.1f} |"


def _rate(images: Examples, *overrides: str) -> tuple[float, str]:
    """Return the steps per second, the median of three turns, and the way in which the steps ran."""
    with tempfile.TemporaryDirectory() as cache, initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        variant = compose_variant("evaluator=none", "steps=100000", f"paths.cache={cache}", *overrides)
        (_, strategy, streams), choice = build_fastest(variant, _dataset(images))
    streams = streams._replace(examples=images)
    strategy.advance(streams, 0, _FEW)  # not timed: it compiles the step and draws the first permutation
    began = perf_counter()
    strategy.advance(streams, 0, _FEW)
    steps = max(1, round(_SECONDS / (perf_counter() - began))) * _FEW
    seconds = []
    for turn in range(3):
        began = perf_counter()
        strategy.advance(streams, _FEW + turn * steps, steps)
        seconds.append(perf_counter() - began)
    jit, fused_steps = choice.execution
    return steps / statistics.median(seconds), f"jit={'on' if jit else 'off'} fused_steps={fused_steps}"


def _dataset(images: Examples) -> Dataset:
    """Return a data set of the first 100 images. It stands for all: building a data set reads every image it gets."""
    first = np.array(images[:100])
    return Dataset.of("random", Split(first, None), Split(first, None), source="none")


def _random(count: int, pixels: int) -> Examples:
    return np.random.default_rng(0).integers(0, 256, (count, pixels, pixels, 1), np.uint8)


def _sparse(file: Path, count: int) -> Examples:
    np.memmap(file, np.uint8, "w+", shape=(count, 28, 28, 1))
    return np.memmap(file, np.uint8, "r", shape=(count, 28, 28, 1))


def _megabytes() -> float:
    """Return the memory of this process alone, in MB.

    The pages of a memory map do not count: they belong to the operating system, which can free them at any time.
    """
    memory = psutil.Process().memory_info()
    return (memory.rss - memory.shared) / 2**20


if __name__ == "__main__":
    main(sys.argv[1:])
