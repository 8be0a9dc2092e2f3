"""Find the run that a command continues, or make a new one."""

import json
import logging
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ganfreeze.app.parse_config import Variant
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.errors import BadInput
from ganfreeze.record import delivered, provenance, run_folder, sweep_ledger
from ganfreeze.record.run_folder import Progress, RunFolder

_log = logging.getLogger(__name__)
_DECISIVE = ("python", "tensorflow", "keras", "tf-keras", "tensorflow-gan", "numpy")  # versions that change bits
# What may differ between the parts of one run: it says where things lie, and changes no result.
_FREE = ("paths", "tracker", "resume", "keep", "gpu_memory", "sweep")


def open_folder(variant: Variant, dataset: Dataset, name: str, *, owner: str = "") -> RunFolder:
    """Return the folder of the run that this variant continues, or that of a new run. It is held.

    With `resume=auto` a variant continues the latest run of the same variant, data and versions that was interrupted,
    and belongs to the same `owner`, a job of a sweep. With a run's id it continues this run, and may have more steps.

    Raises:
        BadInput: the chosen run is not here, is held by another process, or is a run of something else.
    """
    state, resume = Path(variant.settings.paths.state), variant.settings.resume
    identity = _identity(variant, dataset)
    if resume not in ("auto", "never"):
        folder = _chosen(state, resume, identity)
        folder.describe(identity=identity, config=variant.yaml)
        run_folder.lengthen(folder.path, key(variant, owner))
        return folder
    own = key(variant, owner)
    with run_folder.lock(state, own):  # of two processes, only one finds the run or makes it
        # A sweep that is to begin anew has a new name, so a run of it that is there is an attempt of the same job.
        if (resume == "auto" or owner) and (folder := _interrupted(state, own, identity, only_one=bool(owner))):
            return folder
        return run_folder.create(
            state, own, name=name, owner=owner, identity=identity, config=variant.yaml, words=variant.words
        )


def progress(variant: Variant, owner: str) -> Progress | None:
    """Return how far the run of a variant is that belongs to a job of a sweep; None if it has not begun."""
    return sweep_ledger.progress(Path(variant.settings.paths.state), key(variant, owner))


def key(variant: Variant, owner: str = "") -> str:
    """Return the first part of the name of a variant's run folders: the same for the same config and owner."""
    return sha256(json.dumps([_values(variant), owner], sort_keys=True, default=str).encode()).hexdigest()[:16]


def _values(variant: Variant) -> dict[str, Any]:
    return {key: value for key, value in variant.values.items() if key.partition(".")[0] not in _FREE}


def _identity(variant: Variant, dataset: Dataset) -> dict[str, Any]:
    """Return everything that the bits of a run depend on, but the machine and the source."""
    versions = provenance.versions()
    decisive = {f"version.{package}": versions[package] for package in _DECISIVE}
    identity = {**_values(variant), "data": dataset.digest, **decisive}
    return json.loads(json.dumps(identity, default=str))  # as it is read back


def _interrupted(state: Path, key: str, identity: Mapping[str, Any], *, only_one: bool) -> RunFolder | None:
    """Return the folder of the latest interrupted run. Where there can be only one run, refuse to make another."""
    for path in run_folder.folders(state, key):
        progress = run_folder.progress(path)
        if progress.status in ("FINISHED", "RUNNING") or progress.hopeless:
            if only_one:
                raise BadInput(f"{path}: this run of the sweep is {progress.status} already")
            continue
        folder = RunFolder(path)
        if differing := _differing(folder.description.get("identity", {}), identity):
            if only_one:
                raise BadInput(f"{path} cannot go on: {differing}. resume=never begins a new sweep")
            _log.info("%s: an interrupted run of this config cannot go on: %s", path, differing)
        elif folder.acquire():
            return folder
    return None


def _chosen(state: Path, word: str, identity: Mapping[str, Any]) -> RunFolder:
    if not (path := delivered.folder_of(state, word)):
        raise BadInput(f"resume={word}: there is no such run in {state}. Set paths.state=FOLDER, or resume=never")
    folder, before = RunFolder(path), RunFolder(path).description.get("identity", {})
    if differing := _differing({**before, "steps": identity["steps"]}, identity):
        raise BadInput(f"resume={word}: this is another run: {differing}")
    if identity["steps"] < before["steps"]:
        raise BadInput(f"resume={word}: the run has steps={before['steps']}; steps={identity['steps']} are fewer")
    if identity["steps"] > before["steps"] and identity["schedule"] != "constant":
        raise BadInput(
            f"resume={word}: schedule={identity['schedule']} depends on the number of steps, so "
            f"steps={before['steps']} cannot become more"
        )
    if not folder.acquire():
        raise BadInput(f"resume={word}: another process trains this run now")
    return folder


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return "; ".join(f"{key} was {_short(before.get(key))}, and is {_short(now.get(key))}" for key in keys)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 48 else f"{text[:16]}..."
