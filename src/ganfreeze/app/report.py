"""Report on a sweep, an experiment or some runs: the program `src/report.py`."""

import logging
import re
import shlex
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from ganfreeze.app import experiments
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import resolved
from ganfreeze.app.program_settings import ReportSettings, parse_program
from ganfreeze.app.unknown_keys import require_known
from ganfreeze.commands import as_typed
from ganfreeze.errors import BadInput, one_line
from ganfreeze.overrides import quoted
from ganfreeze.record import mlflow_client, store_address
from ganfreeze.record.report import evidence, paper, publish, query, summary, sweep_table
from ganfreeze.record.report import page as pages
from ganfreeze.record.report.query import RecordedRun
from ganfreeze.record.report.summary import Summary

_log = logging.getLogger(__name__)
_STORE = "mlruns"  # the folder of a clone's own store


class Written(NamedTuple):
    """A report that was written: its folder, and the table that it begins with."""

    folder: Path
    table: str


def run(cfg: DictConfig) -> None:
    """Write the report, print its table, and compare it with what is expected if `check` is set."""
    with friendly_errors():
        write(parse_program(ReportSettings, resolved(cfg)))


def write(settings: ReportSettings) -> Written:
    """Write the report, print its table, and compare it with what is expected if `check` is set. Raises BadInput."""
    uri = store_address.tracking_uri(settings.uri, settings.mlruns)
    store_address.require_store(uri)
    name, runs = _runs(settings, uri)
    _require_expectable(settings)
    result = summary.summarise(runs, figure=settings.figure, baseline=settings.baseline, margin=settings.margin)
    folder, table = Path(settings.output) / re.sub(r"[^\w.-]", "_", name), sweep_table.sweep_table(result)
    command = as_typed(shlex.join(["python", "src/report.py", *_named(settings, name)]))
    _write(uri, folder, name, result, command)
    if settings.tex:
        _write_table(folder, result, command)
    print(f"{table}\n{folder / 'report.html'}: the report")
    if settings.publish:
        _publish(uri, runs[0].run.experiment_id, name, folder, table)
    if settings.check:
        print(experiments.require_expected(settings.published or "", result))
    return Written(folder, table)


def _runs(settings: ReportSettings, uri: str) -> tuple[str, list[RecordedRun]]:
    """Return the runs that are asked for, and a name for them."""
    chosen = [key for key in ("sweep", "published", "runs") if getattr(settings, key)]
    if len(chosen) != 1:
        raise BadInput("choose one of sweep=, experiment= and runs=, such as sweep=last")
    if settings.sweep:
        runs = query.of_sweep(uri, settings.sweep)
        return runs[0].tags[mlflow_client.SWEEP_TAG], runs
    if settings.published:
        require_known("train", [f"experiment={settings.published}"], sweep=False)
        found = query.of_experiment(uri, settings.published)
        if runs := [each for each in found if experiments.is_published(settings.published, each)]:
            return settings.published, runs
        raise BadInput(
            f"experiment={settings.published}: the store has runs of it, but none of today's "
            f"conf/experiment/{settings.published}.yaml; sweep= reports on others"
        )
    ids = settings.runs or []
    return f"runs_{sha256(' '.join(ids).encode()).hexdigest()[:8]}", query.by_id(uri, ids)


def _named(settings: ReportSettings, name: str) -> list[str]:
    """Return the arguments that make this report again; "last" becomes the sweep's name."""
    ids = ",".join(settings.runs or [])
    what = f"sweep={name}" if settings.sweep else f"experiment={name}" if settings.published else f"runs={ids}"
    chosen = {"figure": settings.figure, "baseline": settings.baseline}
    store = {"uri": settings.uri} if settings.uri else {"mlruns": settings.mlruns}
    return [
        what,
        *(f"{key}={value}" for key, value in chosen.items() if value),
        f"margin={settings.margin}",
        *(["tex=true"] if settings.tex else []),
        *(quoted(key, value) for key, value in store.items() if value != _STORE),
    ]


def _publish(uri: str, experiment: str, name: str, folder: Path, table: str) -> None:
    try:
        publish.publish(uri, experiment, name, folder, table)
    except Exception as error:  # of MLflow, SQLAlchemy, requests: the report is written, and can still be checked
        _log.warning("warning: the report could not be kept in MLflow: %s", one_line(error, 300))


def _require_expectable(settings: ReportSettings) -> None:
    if settings.check and not settings.published:
        raise BadInput("check=true: needs experiment=NAME, whose expected.csv the results are compared with")
    if settings.check:
        experiments.expectations(settings.published or "")


def _write(uri: str, folder: Path, name: str, result: Summary, command: str) -> None:
    """Write the pages and their pictures in place of an earlier report's."""
    text, pictures = pages.page(result, evidence.gather(uri, result, title=f"Report on {name}", command=command))
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in (*folder.glob("[0-9][0-9]_*.png"), *folder.glob("table.*")):
        earlier.unlink()
    for file, data in pictures.items():
        (folder / file).write_bytes(data)
    (folder / "report.md").write_text(text)
    (folder / "report.html").write_text(pages.html(text, pictures))


def _write_table(folder: Path, result: Summary, command: str) -> None:
    commands = dict.fromkeys(each.tags.get("ganfreeze.command", "") for each in result.runs)
    commits = sorted({each.tags.get("mlflow.source.git.commit", "unknown") for each in result.runs})
    provenance = "\n".join([*commands, f"commit {', '.join(commits)}", command])
    (folder / "table.tex").write_text(paper.latex(result, provenance))
    (folder / "table.csv").write_text(paper.table(result, provenance))
    print(f"{folder / 'table.tex'}, {folder / 'table.csv'}: the table of a paper")
