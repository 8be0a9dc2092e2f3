"""Where the time of a step goes: python benchmarks/hotspots.py [any word or option of train.py]

Without XLA, TensorFlow's profiler tells the share of each kind of operation in the time that threads spend in
operations; one that runs on several threads counts on the one that started it. What XLA compiled (jit=on) has no
operations left: there `perf`, the profiler of Linux, tells the share of each kind of code in the time of all threads.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from time import perf_counter, sleep

from hydra import initialize_config_dir

from ganfreeze.app.study import ready, variant
from ganfreeze.backend import tensorflow as tf

STEPS, CALLS, SHOWN = 20, 20, 16
_WAITING = ("While", "PartitionedCall", "StatefulPartitionedCall")
_PRODUCTS = "matrix products"
# What is in the names of functions and libraries, the first that is found.
_CODE = {
    "ynn::dot": _PRODUCTS,
    "ynn::transpose": "matrices transposed for products",
    "gemm_pack": "matrices transposed for products",
    "dnnl": _PRODUCTS,
    "(/tmp/perf-": "loops compiled by XLA: optimizer, activations, BatchNormalization",
    "memmove": "copies",
    "[kernel": "the operating system",
    "/numpy/": "NumPy: indices and noise",
    "/libpython": "Python",
    "tensorflow": "TensorFlow's and XLA's own",
}


def main(overrides: list[str]) -> None:
    """Print a line for each kind."""
    with initialize_config_dir(str(Path(__file__).parent.parent.resolve() / "conf"), version_base="1.3"):
        chosen = variant("evaluator=none", "jit=off", f"fused_steps={STEPS}", *overrides)
    game, strategy, streams = ready(chosen, chosen.source.load())

    def train(calls: int = CALLS) -> None:
        for call in range(calls):
            strategy.advance(streams, call * STEPS, STEPS)

    train(1)  # traced by then
    began = perf_counter()
    train()
    print(f"{' '.join(overrides)}: {(perf_counter() - began) / STEPS / CALLS * 1000:.2f} ms a step")
    spent = _code(train) if game.execution.jit else _operations(lambda: train(1))
    total = sum(spent.values())
    for kind, amount in Counter(spent).most_common(SHOWN):
        print(f"{kind:60} {amount / total:6.1%}")


def _operations(train: Callable[[], None]) -> Mapping[str, float]:
    """How long each kind of operation ran, without those that only wait for others."""
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            train()
        spent = Counter[str]()
        for kind, picoseconds in _seen(Path(folder)):
            spent[kind] += picoseconds
        return spent


def _seen(folder: Path) -> Iterator[tuple[str, int]]:
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (file,) = folder.rglob("*.xplane.pb")
    space = xplane_pb2.XSpace()
    space.ParseFromString(file.read_bytes())
    for plane in space.planes:
        names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                found = re.fullmatch(r"[^:]+:_?([A-Z]\w+)", names[event.metadata_id])  # "name:Kind"
                if found and found[1] not in _WAITING:
                    yield found[1], event.duration_ps


def _code(train: Callable[[], None]) -> Mapping[str, float]:
    """How often each kind of code was found running."""
    with tempfile.TemporaryDirectory() as folder:
        record = ["perf", "record", "--quiet", "--freq=999", f"--pid={os.getpid()}", f"--output={folder}/data"]
        perf = subprocess.Popen(record, stderr=subprocess.DEVNULL)
        sleep(1)  # until it looks
        train()
        perf.send_signal(signal.SIGINT)
        perf.wait()
        script = ["perf", "script", "--fields=ip,sym,dso", f"--input={folder}/data"]
        samples = subprocess.run(script, capture_output=True, text=True, check=True).stdout.splitlines()
    return Counter(_kind(*sample.split(maxsplit=1)) for sample in samples)


def _kind(address: str, where: str) -> str:
    """The kind of code that is at the address, whose function and library are `where`."""
    if any(int(address, 16) in region for region in _written_by_onednn()):
        return _PRODUCTS
    return next((kind for known, kind in _CODE.items() if known in where), "other")


@cache
def _written_by_onednn() -> Sequence[range]:
    """The regions of memory that oneDNN compiled kernels into: unlike LLVM it leaves them writable."""
    fields = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    ends = [each[0].partition("-") for each in fields if each[1] == "rwxp"]
    return [range(int(first, 16), int(last, 16)) for first, _, last in ends]


if __name__ == "__main__":
    main(sys.argv[1:])
