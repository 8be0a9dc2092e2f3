"""Published experiments: which runs are theirs, and what is expected of them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from hydra import compose

from ganfreeze.app.compose import compose_variant
from ganfreeze.app.purposes import EXPERIMENTS
from ganfreeze.app.unknown_keys import require_known
from ganfreeze.errors import BadInput
from ganfreeze.record.report import expected, groups
from ganfreeze.record.report.expected import Expected
from ganfreeze.record.report.query import RecordedRun
from ganfreeze.record.report.summary import Summary


def expectations(experiment: str) -> list[Expected]:
    """Return what an experiment is expected to give. Raises BadInput if nobody wrote it down."""
    return expected.read(EXPERIMENTS / experiment / "expected.csv")


def require_expected(experiment: str, result: Summary) -> str:
    """Return a line that says that the figures are as expected. Raise BadInput that names each one that is not."""
    wanted = expectations(experiment)
    if failures := list(expected.violations(result, wanted)):
        raise BadInput("\n".join([f"{len(failures)} of {len(wanted)} expectations are not met:", *failures]))
    return f"experiments/{experiment}/expected.csv: all {len(wanted)} expectations are met"


def is_published(experiment: str, run: RecordedRun) -> bool:
    """Return whether a run is one of the experiment's sweep as it is published, whatever its seed.

    A short version of the experiment is not, nor is a run of an older sweep of this name. Options that did not exist
    when the run was made count as today's defaults.
    """
    params = _sweep_of(experiment)
    own = tuple(f"{key}={run.parameters.get(key, '')}" for key in params if key != "seed")
    values = _values_of(experiment, own)
    return values is not None and all(
        str(values[key]) == value for key, value in run.parameters.items() if key in values and groups.is_chosen(key)
    )


@cache
def _sweep_of(experiment: str) -> Mapping[str, str]:
    """Return the swept keys of an experiment. Raises BadInput if there is no such experiment."""
    require_known("train", [f"experiment={experiment}"], sweep=False)
    cfg = compose("config", [f"experiment={experiment}"], return_hydra_config=True)
    return cfg.hydra.sweeper.params or {}


@cache
def _values_of(experiment: str, overrides: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Return all values of a job of an experiment, None if there is no such job."""
    try:
        return compose_variant(f"experiment={experiment}", *overrides).values
    except BadInput:
        return None
