"""What everything beside training costs: python benchmarks/harness.py [any word or option of train.py]

Takes the same steps by turns as a bare loop and as a run with all that train.py does at its cadences: figures,
pictures, MLflow, and the weights at the end. Prints the best of several rounds of each, for a difference of a few
hundredths drowns in what else a machine does, and what the harness costs. MLflow's store and the weights go to a
temporary folder.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter

from hydra import initialize_config_dir

from ganfreeze import events
from ganfreeze.app.config import Variant
from ganfreeze.app.execution import build_fastest
from ganfreeze.app.study import variant
from ganfreeze.app.train import run_events
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.loop import Cadence
from ganfreeze.record.terminal import Terminal

ROUNDS = 5


def main(overrides: list[str]) -> None:
    """Print two lines."""
    conf = Path(__file__).parent.parent.resolve() / "conf"
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(conf), version_base="1.3"):
        chosen = variant("steps=5000", f"paths.mlruns={folder}/mlruns", *overrides)
        dataset = chosen.source.load()
        rounds = [(_bare(chosen, dataset), _full(chosen, dataset, Path(folder))) for _ in range(ROUNDS)]
    bare, spent = min(seconds for seconds, _ in rounds), min((spent for _, spent in rounds), key=Counter.total)
    full = spent.total()
    words = " ".join(overrides) or "tape mlp digits"
    print(f"{words}: {chosen.settings.steps} steps bare {bare:.2f} s, in a run {full:.2f} s: {full / bare - 1:+.1%}")
    print(", ".join(f"{name} {seconds / full:.1%}" for name, seconds in spent.items()))


def _bare(chosen: Variant, dataset: Dataset) -> float:
    """Seconds that the spans of a run take with nothing between them, but for the first, which compiles."""
    (_, strategy, streams), _ = build_fastest(chosen, dataset)
    settings, step = chosen.settings, 0
    began = perf_counter()
    for span in Cadence(settings.steps, settings.cadence.log, settings.cadence.evaluate).spans(0):
        strategy.advance(streams, step, span.steps)
        began = began if step else perf_counter()
        step += span.steps
    return perf_counter() - began


def _full(chosen: Variant, dataset: Dataset, folder: Path) -> Counter[str]:
    """Seconds from the second span of a run to its end, by what they went to."""
    spent: Counter[str] = Counter()
    with chosen.tracker as tracker, Terminal("benchmark") as terminal:
        at, counting = perf_counter(), False
        for event in run_events(chosen, dataset, "benchmark", folder=folder, tags={}):
            made = perf_counter()
            tracker.write(event)
            terminal.write(event)
            written = perf_counter()
            if counting:
                spent[_name(event)] += made - at
                spent["tracker and terminal"] += written - made
            counting = counting or isinstance(event, events.Measured)
            at = written
    return spent


def _name(event: events.Event) -> str:
    match event:
        case events.Measured(_, values):
            return "training" if "steps_per_second" in values else "figures"
        case events.Images():
            return "pictures"
        case _:
            return "weights"


if __name__ == "__main__":
    main(sys.argv[1:])
