"""Where the time of a step goes, by kind of operation: python benchmarks/profile.py [any word or option of train.py]

TensorFlow's profiler looks at steps of a variant without XLA, whose operations keep their names. Prints the share of
each kind of the time that threads spend in operations; an operation that runs on several threads counts on the one that
started it.
"""

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from hydra import initialize_config_dir

from ganfreeze import tensorflow as tf
from ganfreeze.app.study import ready, variant

STEPS, SHOWN = 20, 16
_WAITING = ("While", "PartitionedCall", "StatefulPartitionedCall")


def main(overrides: list[str]) -> None:
    """Print a line for each kind of operation."""
    with initialize_config_dir(str(Path(__file__).parent.parent.resolve() / "conf"), version_base="1.3"):
        chosen = variant("evaluator=none", "jit=off", f"fused_steps={STEPS}", *overrides)
    _, strategy, streams = ready(chosen, chosen.source.load())
    strategy.advance(streams, 0, STEPS)  # traced by then
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            began = perf_counter()
            strategy.advance(streams, STEPS, STEPS)
            seconds = perf_counter() - began
        spent = Counter[str]()
        for kind, picoseconds in _operations(Path(folder)):
            spent[kind] += picoseconds
    total = sum(spent.values())
    print(f"{' '.join(overrides)}: {seconds / STEPS * 1000:.1f} ms a step, {total / STEPS / 1e9:.1f} ms in operations")
    for kind, picoseconds in spent.most_common(SHOWN):
        print(f"{kind:32} {picoseconds / total:6.1%} {picoseconds / STEPS / 1e9:8.2f} ms")


def _operations(folder: Path) -> Iterator[tuple[str, int]]:
    """Kind and duration of each operation that the profiler saw, without those that only wait for others."""
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


if __name__ == "__main__":
    main(sys.argv[1:])
