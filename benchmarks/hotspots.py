"""Show where the time of a step goes: python benchmarks/hotspots.py [options of train.py]

Without XLA, TensorFlow's profiler gives the share of each kind of operation in the time that threads spend in
operations. An operation that runs on several threads counts on the thread that started it.

With XLA (jit=on) the compiled step has no operations any more. There `perf`, the profiler of Linux, gives the share of
each kind of code in the time of all threads.
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

from ganfreeze.app.compose import compose_variant
from ganfreeze.app.training_setup import build
from ganfreeze.backend import tensorflow as tf

STEPS, CALLS, SHOWN = 20, 20, 16
_WAITING = ("While", "PartitionedCall", "StatefulPartitionedCall")
_PRODUCTS = "matrix products"
# A part of the name of a function or library, and the kind of its code. The first match decides.
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
    """Print a line for each kind of operation or code, the largest share first."""
    with initialize_config_dir(str(Path(__file__).parent.parent.resolve() / "conf"), version_base="1.3"):
        variant = compose_variant("evaluator=none", "jit=off", f"fused_steps={STEPS}", *overrides)
    game, strategy, streams = build(variant, variant.source.load())

    def train(calls: int = CALLS) -> None:
        for call in range(calls):
            strategy.advance(streams, call * STEPS, STEPS)

    train(1)  # not timed: TensorFlow traces the functions in this call
    began = perf_counter()
    train()
    print(f"{' '.join(overrides)}: {(perf_counter() - began) / STEPS / CALLS * 1000:.2f} ms a step")
    amounts = _code(train) if game.execution.jit else _operations(lambda: train(1))
    total = sum(amounts.values())
    for kind, amount in Counter(amounts).most_common(SHOWN):
        print(f"{kind:60} {amount / total:6.1%}")


def _operations(train: Callable[[], None]) -> Mapping[str, float]:
    """Return the time of each kind of operation, without operations that only wait for others."""
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            train()
        amounts = Counter[str]()
        for kind, picoseconds in _profiled(Path(folder)):
            amounts[kind] += picoseconds
        return amounts


def _profiled(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the kind and the duration in picoseconds of each operation that the profiler recorded."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (file,) = folder.rglob("*.xplane.pb")
    space = xplane_pb2.XSpace()  # pyright: ignore[reportAttributeAccessIssue] (protobuf makes it at import)
    space.ParseFromString(file.read_bytes())
    for plane in space.planes:
        names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                match = re.fullmatch(r"[^:]+:_?([A-Z]\w+)", names[event.metadata_id])  # "name:Kind"
                if match and match[1] not in _WAITING:
                    yield match[1], event.duration_ps


def _code(train: Callable[[], None]) -> Mapping[str, float]:
    """Return the number of samples of each kind of code that `perf` took."""
    with tempfile.TemporaryDirectory() as folder:
        record = ["perf", "record", "--quiet", "--freq=999", f"--pid={os.getpid()}", f"--output={folder}/data"]
        perf = subprocess.Popen(record, stderr=subprocess.DEVNULL)
        sleep(1)  # perf needs this time to start
        train()
        perf.send_signal(signal.SIGINT)
        perf.wait()
        script = ["perf", "script", "--fields=ip,sym,dso", f"--input={folder}/data"]
        samples = subprocess.run(script, capture_output=True, text=True, check=True).stdout.splitlines()
    return Counter(_kind(*sample.split(maxsplit=1)) for sample in samples)


def _kind(address: str, names: str) -> str:
    """Return the kind of the code at an address, from the names of its function and library."""
    if any(int(address, 16) in region for region in _regions_of_onednn()):
        return _PRODUCTS
    return next((kind for part, kind in _CODE.items() if part in names), "other")


@cache
def _regions_of_onednn() -> Sequence[range]:
    """Return the regions of memory that hold the kernels compiled by oneDNN. Unlike LLVM, it leaves them writable."""
    fields = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    ends = [region[0].partition("-") for region in fields if region[1] == "rwxp"]
    return [range(int(first, 16), int(last, 16)) for first, _, last in ends]


if __name__ == "__main__":
    main(sys.argv[1:])
