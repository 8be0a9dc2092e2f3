"""Write the events of a run to its journal, and have them brought to MLflow from there."""

import contextlib
import json
import logging
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from ganfreeze import events
from ganfreeze.commands import as_typed
from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.overrides import typed
from ganfreeze.record import delivered, final_weights, mlflow_client, mlflow_model, pictures, run_folder
from ganfreeze.record.courier import Courier
from ganfreeze.record.delivered import Target
from ganfreeze.record.mlflow_client import STEPS_TAG
from ganfreeze.record.mlflow_delivery import Delivery
from ganfreeze.record.report import comparison
from ganfreeze.record.report.query import DIVERGED_TAG
from ganfreeze.record.run_journal import RunJournal
from ganfreeze.record.system_metrics import SystemMetrics
from ganfreeze.record.tracker.base import Recorder
from ganfreeze.types import Metrics

_log = logging.getLogger(__name__)
_DECISIVE = ("machine.", "mlflow.source.git.commit", "ganfreeze.git.dirty")  # what may change the bits of a run
_FIRST = 10.0  # seconds for the store to open before training begins
_HASTE = 5.0  # seconds for what did not arrive, after an interruption


class MlflowRecorder(Recorder):
    """The journal of the run in `folder`, and a courier that brings it to an MLflow store.

    If the folder holds a journal, the run goes on. `patience` is how many seconds the end of the run waits for a store
    that does not work. With `system_metrics` the machine is measured too.
    """

    def __init__(self, folder: Path, target: Target, patience: float, *, system_metrics: bool = False) -> None:
        self._folder, self._target, self._patience = folder, target, patience
        self._measures_system = system_metrics

    def __enter__(self) -> Self:
        delivery = Delivery(self._folder, self._target)
        self._journal, self._lost = RunJournal(self._folder, after=delivery.delivered.n), []
        earlier = self._journal.earlier
        self._is_begun = any(record["kind"] == "begin" for record in earlier)
        self._samples = sum(record["kind"] == "metrics" and _is_of_system(record["values"]) for record in earlier)
        with contextlib.suppress(OSError):
            delivered.note_target(self._folder, self._target)
        last = delivery.delivered.n
        self._courier = Courier(delivery, [record for record in earlier if record["n"] > last])
        self._journal.deliver_to(self._courier.put)
        self._courier.start(_FIRST)
        if problem := self._courier.problem:
            _log.warning("warning: MLflow takes no records now; they are kept in %s: %s", self._folder, problem)
        self._system_metrics = SystemMetrics(self._write_system_metrics)
        return self

    def write(self, event: events.Event) -> None:
        try:
            self._write(event)
        except OSError as error:  # a picture or another file could not be written: training goes on
            self._lost.append(str(error))

    def _write(self, event: events.Event) -> None:
        add_values = self._journal.add_values
        match event:
            case events.Described():
                self._begin(event)
            case events.Chosen(parameters, why):
                add_values("parameters", _texts(parameters))
                add_values("tags", {"execution": why})
            case events.Prepared(facts, cards):
                add_values("parameters", {f"evaluator.{key}": value for key, value in _texts(facts).items()})
                add_values("tags", {mlflow_client.CARD_TAG + name: json.dumps(card) for name, card in cards.items()})
            case events.Audited(tags, ledger, table):
                add_values("tags", tags)
                self._journal.add_text(json.dumps(ledger, indent=2), "audit.json")
                self._journal.add_text(table, "audit.txt")
            case events.Certified(tags, folder):
                add_values("tags", tags)
                self._add_folder(folder, "certificate")
            case events.Started(step, steps) if step:
                add_values("tags", {"ganfreeze.resumed": f"at step {step} of {steps}", STEPS_TAG: str(steps)})
            case events.Measured(step, metrics):
                add_values("metrics", {key: float(value) for key, value in metrics.items()}, step=step)
            case events.Sampled(step, name, examples):
                self._add_picture(step, name, examples)
            case events.Explained(step, sentence, report, record):
                add_values(
                    "tags", {"diverged": f"step {step}", DIVERGED_TAG: sentence, "mlflow.note.content": sentence}
                )
                self._journal.add_text(report, "diverged.txt")
                self._journal.add_text(json.dumps(record, indent=2), "diverged.json")
            case events.Noticed(_, tags):
                add_values("tags", tags)
            case events.Saved(_, folder, name):
                self._add_folder(folder, name)
                if name == "weights":
                    add_values("tags", {mlflow_client.WEIGHTS_TAG: final_weights.digest(folder)})
            case events.Trained(step, name):
                folder = mlflow_model.save(event, self._folder / "files" / name)
                self._journal.add("model", path=str(folder.relative_to(self._folder)), name=name, step=step)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._system_metrics.stop()
        status = run_folder.status_of(error)
        if not self._is_begun:  # there is no run to end
            return
        if status == "FAILED":
            with contextlib.suppress(OSError):
                self._journal.add_text("".join(traceback.format_exception(kind, error, trace)), "traceback.txt")
        self._journal.add("end", status=status)
        left = self._courier.close(_HASTE if status == "KILLED" else self._patience)
        for problem in self._problems(left):
            print(f"ganfreeze: {problem}", file=sys.stderr, flush=True)

    def _problems(self, left: int) -> Iterator[str]:
        if self._lost:
            yield f"{len(self._lost)} files of the run could not be written: {self._lost[-1]}"
        if self._journal.problem:
            yield self._journal.problem
        if self._courier.refused:
            yield f"MLflow refused {self._courier.refused} records of {self._folder}"
        if left:
            later = f"python src/sync.py {typed('state', str(self._folder.parent))}"
            yield (
                f"{left} records of {self._folder} did not reach MLflow: {self._courier.problem}. "
                f"To deliver them later: {as_typed(later)}"
            )

    def _begin(self, described: events.Described) -> None:
        if self._measures_system:
            self._system_metrics.start()
        if self._is_begun:
            self._journal.add("resume")
        else:
            name, data = described.tags.get("mlflow.runName"), _described(described.dataset)
            self._journal.add("begin", id=run_folder.id_of(self._folder) or uuid4().hex, name=name, dataset=data)
            self._is_begun = True
        tags = {key: value for key, value in described.tags.items() if key != "mlflow.runName"}
        tags["mlflow.loggedImages"] = "True"  # without it MLflow shows no pictures beside the charts
        if changes := "; ".join(comparison.of_facts(self._earlier_tags(), tags, _DECISIVE)):
            _log.warning("warning: the run goes on, but not as it was: %s", changes)
            tags["ganfreeze.changed"] = changes
        versions = {f"version.{package}": version for package, version in described.versions.items()}
        self._journal.add_values("tags", {**tags, **versions})
        self._journal.add_values("parameters", _texts(described.parameters))
        self._journal.add_text(described.config, "config.yaml")
        if described.changes:
            self._journal.add_text(described.changes, "changes.diff")

    def _earlier_tags(self) -> Mapping[str, str]:
        tags: dict[str, str] = {}
        for record in self._journal.earlier:
            tags |= record["values"] if record["kind"] == "tags" else {}
        return tags

    def _write_system_metrics(self, metrics: Metrics) -> None:
        self._journal.add_values("metrics", metrics, step=self._samples)
        self._samples += 1

    def _add_picture(self, step: int, name: str, examples: Examples) -> None:
        """Write a picture and its thumbnail under the names by which MLflow shows them as a series of pictures."""
        now = int(time.time() * 1000)
        path = self._folder / "files" / f"{name}+step+{step}+timestamp+{now}+{uuid4()}.png"
        thumbnail = path.with_name(f"{path.stem}+compressed.webp")
        pictures.write_with_thumbnail(examples, path, thumbnail)
        for file, kind in ((path, name), (thumbnail, f"{name} thumbnail")):
            self._journal.add_file(file, "images", name=kind, step=step)

    def _add_folder(self, folder: Path, to: str) -> None:
        if not folder.is_relative_to(self._folder):
            folder = Path(shutil.copytree(folder, self._folder / "files" / to, dirs_exist_ok=True))
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            inside = str(file.parent.relative_to(folder))
            self._journal.add_file(file, to if inside == "." else f"{to}/{inside}")


def _described(data: Dataset) -> dict[str, object]:
    return {
        "name": data.name,
        "source": data.source,
        "sha256": data.digest,
        "image_shape": data.example_shape,
        "classes": data.classes,
        "train": len(data.train.examples),
        "test": len(data.test.examples),
    }


def _texts(values: Mapping[str, Any]) -> Mapping[str, str]:
    return {key: str(value) for key, value in values.items()}


def _is_of_system(metrics: Metrics) -> bool:
    return all(name.startswith("system/") for name in metrics)
