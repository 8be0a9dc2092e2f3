"""Measure the cost of everything beside training: python benchmarks/harness.py [options of train.py]

Take the same steps in two ways, in turns: as a bare loop, and as a run that does all that train.py does at its
cadences: metrics, pictures, checkpoints, MLflow, and the weights and the model at the end. Print the best of several
rounds of each, and the share of each part. The median would not do: the difference is a few hundredths, and a machine
that does other work too has more noise than that. MLflow's store and the runs' folders are in a temporary folder.
"""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from time import perf_counter
from unittest import mock

from hydra import initialize_config_dir

from ganfreeze import events
from ganfreeze.app.compose import compose_variant
from ganfreeze.app.execution import build_fastest
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.run_events import run_events
from ganfreeze.app.settings import cadence_of
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.record import run_folder
from ganfreeze.record.checkpoints import Checkpoints
from ganfreeze.record.terminal import Terminal

ROUNDS = 5


def main(overrides: list[str]) -> None:
    """Print two lines: the total times, and the share of each part."""
    conf = Path(__file__).parent.parent.resolve() / "conf"
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(conf), version_base="1.3"):
        paths = f"paths.mlruns={folder}/mlruns", f"paths.state={folder}/state"
        variant = compose_variant("steps=5000", *paths, *overrides)
        dataset = variant.source.load()
        rounds = [(_bare(variant, dataset), _full(variant, dataset)) for _ in range(ROUNDS)]
    bare = min(seconds for seconds, _ in rounds)
    full, parts = min(((sum(parts.values()), parts) for _, parts in rounds), key=lambda sums: sums[0])
    words = " ".join(overrides) or "tape mlp digits"
    print(f"{words}: {variant.settings.steps} steps bare {bare:.2f} s, in a run {full:.2f} s: {full / bare - 1:+.1%}")
    print(", ".join(f"{name} {seconds / full:.1%}" for name, seconds in parts.items()))


def _bare(variant: Variant, dataset: Dataset) -> float:
    """Return the seconds of all spans of a run with nothing between them.

    The first span does not count, because the step is compiled in it.
    """
    (_, strategy, streams), _ = build_fastest(variant, dataset)
    settings, step = variant.settings, 0
    began = perf_counter()
    for span in cadence_of(settings).spans(0):
        strategy.advance(streams, step, span.steps)
        began = began if step else perf_counter()
        step += span.steps
    return perf_counter() - began


def _full(variant: Variant, dataset: Dataset) -> dict[str, float]:
    """Return the seconds of each part of a run, from its second span to its end."""
    seconds: dict[str, float] = defaultdict(float)
    saved: list[float] = []  # the seconds of each checkpoint since the last event
    state = Path(variant.settings.paths.state)
    folder = run_folder.create(state, "benchmark", name="benchmark", owner="", identity={})
    recorder, save = variant.tracker.recorder(folder.path), Checkpoints.save

    def timed_save(checkpoints: Checkpoints, step: int) -> None:
        began = perf_counter()
        save(checkpoints, step)
        saved.append(perf_counter() - began)

    with mock.patch.object(Checkpoints, "save", timed_save), folder, recorder, Terminal("benchmark") as terminal:
        began, counting = perf_counter(), False
        for event in run_events(variant, dataset, "benchmark", folder=folder, tags={}):
            received = perf_counter()
            for each in (folder, recorder, terminal):
                each.write(event)
            written = perf_counter()
            if counting:
                seconds["checkpoints"] += sum(saved)
                seconds[_part(event)] += received - began - sum(saved)
                seconds["model" if isinstance(event, events.Trained) else "recorders"] += written - received
            saved.clear()
            counting = counting or _part(event) == "training"
            began = written
    seconds["delivery after the end"] += perf_counter() - began
    return seconds


def _part(event: events.Event) -> str:
    """Name the part of a run that ends with this event."""
    match event:
        case events.Measured(_, values):
            return "training" if "steps_per_second" in values else "metrics"
        case events.Sampled():
            return "pictures"
        case _:
            return "weights"


if __name__ == "__main__":
    main(sys.argv[1:])
