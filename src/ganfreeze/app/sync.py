"""Bring to MLflow what did not reach it while runs trained: the program `src/sync.py`."""

from pathlib import Path

from omegaconf import DictConfig

from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import resolved
from ganfreeze.app.program_settings import SyncSettings, parse_program
from ganfreeze.errors import BadInput, one_line
from ganfreeze.record import delivered, run_folder, run_journal, store_address
from ganfreeze.record.delivered import Target
from ganfreeze.record.mlflow_delivery import Delivery


def run(cfg: DictConfig) -> None:
    """Deliver the journals of all runs that no process trains now; print a line for each that was not delivered yet."""
    with friendly_errors():
        settings = parse_program(SyncSettings, resolved(cfg))
        state = Path(settings.state)
        if not state.is_dir():
            raise BadInput(f"state={state}: there is no such folder. Give the one that was paths.state in training.")
        lines = [_sync(folder, settings.uri) for folder in run_folder.folders(state) if (folder / "journal").exists()]
        print("\n".join(filter(None, lines)) or f"{state}: everything has reached MLflow")
        if any("not delivered" in line for line in lines):
            raise SystemExit(1)


def _sync(path: Path, uri: str | None) -> str:
    """Deliver the journal of one run; say what came of it, "" if there was nothing to deliver."""
    if run_folder.is_held(path):
        return f"{path}: a process trains this run now, and delivers its records"
    try:
        target = delivered.target(path)
        if uri:
            target = Target(store_address.tracking_uri(uri, ""), target.experiment, target.store)
        delivery = Delivery(path, target)
        records = [record for record in run_journal.records(path / "journal") if record["n"] > delivery.delivered.n]
        if not records:
            return ""
        refused = len(list(delivery.send(records)))
        delivery.end_dead_runs()  # this one too, if nobody ended it
    except Exception as error:  # of MLflow, SQLAlchemy, requests, the file system: the other runs are tried too
        return f"{path}: not delivered: {one_line(error, 300)}"
    return f"{path}: {len(records)} records delivered" + (f", {refused} of them refused" if refused else "")
