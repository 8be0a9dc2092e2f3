"""Record a run: every event that it yields goes to its folder, the tracker and the terminal."""

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from ganfreeze import events
from ganfreeze.app import resume
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.run_events import run_events
from ganfreeze.app.training_setup import TrainingSetup, guarded
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.record import sweep_progress
from ganfreeze.record.terminal import Terminal
from ganfreeze.strategy.base import Strategy


class Recorded(NamedTuple):
    """A run that has ended: its folder, the verdict of its audit, and the last value of each metric."""

    folder: Path
    audit: str
    metrics: Mapping[str, float]


def record(variant: Variant, name: str, *, owner: str = "", tags: Mapping[str, str] = MappingProxyType({})) -> Recorded:
    """Train a variant, and write all events to its folder, the tracker and the terminal.

    `owner` is the job of a sweep that the run is.

    Raises:
        BadInput: the data, the networks or the metrics do not go together, or the audit failed.
        Diverged: a loss or a sample became NaN or infinite.
    """
    run = recording(variant, name, owner=owner, tags=tags)
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


def recording(
    variant: Variant,
    name: str,
    *,
    owner: str,
    tags: Mapping[str, str],
    strategy_of: Callable[[Variant, TrainingSetup], Strategy] = guarded,
    load: Callable[[], Dataset] | None = None,
    has_live_lines: bool = True,
) -> Generator[events.Due, None, Recorded]:
    """Do what `record` does, and pause before each span of steps.

    The strategy that `strategy_of` makes is trained, on the data set that `load` returns.
    """
    if best := variant.settings.keep.best:
        variant.require_measured("keep.best", best)
    metrics, audited, sweep = dict[str, float](), "off", owner.rpartition("/")[0]
    line = sweep_progress.line_of(Path(variant.settings.paths.state), sweep)
    with Terminal(name, line, has_live_lines=has_live_lines) as terminal:
        terminal.write(events.Entered("loading the data"))
        dataset = (load or variant.source.load)()
        variant.architecture.check(dataset.example_shape)
        variant.evaluator.check(dataset)
        terminal.write(events.Entered("opening the record"))
        folder = resume.open_folder(variant, dataset, name, owner=owner)
        with folder, variant.tracker.recorder(folder.path) as tracker:
            for event in run_events(variant, dataset, name, folder=folder, tags=tags, strategy_of=strategy_of):
                for recorder in (folder, tracker, terminal):
                    recorder.write(event)
                match event:
                    case events.Due():
                        yield event
                    case events.Measured(_, measured):
                        metrics |= measured
                    case events.Audited(_, ledger, _):
                        audited = ledger["verdict"]
    return Recorded(folder.path, audited, metrics)
