"""Run a recorded run again, and compare it with its record: the program `src/reproduce.py`."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig

from ganfreeze import events
from ganfreeze.app import recorded_runs
from ganfreeze.app.compose import command_line_overrides
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import Variant, resolved
from ganfreeze.app.program_settings import ReproduceSettings, parse_program
from ganfreeze.app.run_events import run_events
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.protocol_card import is_added
from ganfreeze.record import final_weights, mlflow_client, run_folder
from ganfreeze.record.mlflow_client import FinishedRun
from ganfreeze.record.report import comparison
from ganfreeze.strategy.base import Execution

_OWN = tuple(ReproduceSettings.model_fields)
_FACTS = ("version.", "machine.", "mlflow.source.git.commit", "ganfreeze.git.dirty")
_NOT_COMPARED = ("system/", "steps_per_second")  # what is measured of the machine


def run(cfg: DictConfig) -> None:
    """Run a recorded run again, print what differs from its record, and exit with 1 if anything does."""
    with friendly_errors():
        values = resolved(cfg)
        settings = parse_program(ReproduceSettings, {key: values[key] for key in _OWN})
        finished, variant, dataset = recorded_runs.load(values, settings.run, command_line_overrides(_OWN))
        recorded = mlflow_client.histories(recorded_runs.tracking_uri_of(values), settings.run)
        if (count := variant.settings.seeds_at_once) > 1:
            raise BadInput(f"run={settings.run}: one of {count} seeds in one program; alone it would round differently")
        with tempfile.TemporaryDirectory() as folder:
            differences = _compare(variant, dataset, finished, recorded, Path(folder))
        if differences:
            print(comparison.table(differences), end="")
            raise SystemExit(f"ganfreeze: run={settings.run} was not reproduced: {len(differences)} differences")
        print(f"run {settings.run} is reproduced: all metrics and weights are equal, to the bit")


def _compare(
    variant: Variant,
    dataset: Dataset,
    finished: FinishedRun,
    recorded: Mapping[str, comparison.History],
    state: Path,
) -> list[comparison.Difference]:
    """Run the variant as the record says, in the folder `state`, and return what differs from the record."""
    history: dict[str, list[tuple[int, float]]] = {}
    folder = run_folder.create(state, "reproduced", name=finished.run.name, owner="", identity={})
    execution = _execution(finished.parameters)
    with folder:
        for event in run_events(variant, dataset, finished.run.name, folder=folder, tags={}, execution=execution):
            match event:
                case events.Described():
                    _warn(finished.tags, event)
                case events.Measured(step, metrics):
                    for name, value in metrics.items():
                        history.setdefault(name, []).append((step, float(value)))
        metrics = comparison.of_metrics(_compared(recorded), _compared(history))
        weights = final_weights.arrays(finished.weights), final_weights.arrays(folder.weights)
        return [*metrics, *comparison.of_weights(*weights)]


def _compared(history: Mapping[str, comparison.History]) -> Mapping[str, comparison.History]:
    """Return the metrics of the training itself. A later evaluation may have added others to the recorded run."""
    return {name: values for name, values in history.items() if not (name.startswith(_NOT_COMPARED) or is_added(name))}


def _execution(parameters: Mapping[str, str]) -> Execution | None:
    """Return how the steps of the run were run; None if an early version did not record it."""
    if "execution.fused_steps" not in parameters:
        return None
    return Execution(parameters["execution.jit"] == "True", int(parameters["execution.fused_steps"]))


def _warn(recorded: Mapping[str, str], now: events.Described) -> None:
    """Print what is not as it was when the run was recorded: versions, the machine, the source."""
    facts = {**now.tags, **{f"version.{package}": version for package, version in now.versions.items()}}
    for sentence in comparison.of_facts(dict(sorted(recorded.items())), facts, _FACTS):
        print(sentence, file=sys.stderr, flush=True)
