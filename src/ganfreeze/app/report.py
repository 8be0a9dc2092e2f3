"""Report on a sweep, an experiment or some runs: the program `src/report.py`."""

import logging
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.errors import HydraException
from omegaconf import DictConfig

from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import resolved
from ganfreeze.app.program_settings import ReportSettings, parse_program
from ganfreeze.app.study import compose_variant
from ganfreeze.errors import BadInput, one_line
from ganfreeze.evaluation import protocol_card
from ganfreeze.record import mlflow_client
from ganfreeze.record.report import charts, expected, groups, paper, publish, query, statistics, summary, sweep_table
from ganfreeze.record.report import page as pages
from ganfreeze.record.report.query import RecordedRun
from ganfreeze.record.report.statistics import VarianceSplit
from ganfreeze.record.report.summary import Summary

_log = logging.getLogger(__name__)
_EXPERIMENTS = Path(__file__).parents[3] / "experiments"
_CURVES = ("discriminator_loss", "generator_loss")  # drawn beside the figures


def run(cfg: DictConfig) -> None:
    """Write the report, print its table, and compare it with what is expected if `check` is set."""
    with friendly_errors():
        settings = parse_program(ReportSettings, resolved(cfg))
        uri = mlflow_client.tracking_uri(settings.uri, settings.mlruns)
        mlflow_client.require_store(uri)
        name, runs = _runs(settings, uri)
        _require_expectable(settings)
        result = summary.summarise(runs, figure=settings.figure, baseline=settings.baseline, margin=settings.margin)
        folder, table = Path(settings.output) / re.sub(r"[^\w.-]", "_", name), sweep_table.sweep_table(result)
        command = shlex.join(["python", "src/report.py", *_named(settings, name)])
        _write(uri, folder, name, result, command)
        if settings.tex:
            _write_table(folder, result, command)
        print(f"{table}\n{folder / 'report.html'}: the report")
        if settings.publish:
            _publish(uri, runs[0].run.experiment_id, name, folder, table)
        if settings.check:
            _check(settings.published or "", result)


def _runs(settings: ReportSettings, uri: str) -> tuple[str, list[RecordedRun]]:
    """Return the runs that are asked for, and a name for them."""
    chosen = [key for key in ("sweep", "published", "runs") if getattr(settings, key)]
    if len(chosen) != 1:
        raise BadInput("choose one of sweep=, experiment= and runs=, such as sweep=last")
    if settings.sweep:
        runs = query.of_sweep(uri, settings.sweep)
        return runs[0].tags[mlflow_client.SWEEP_TAG], runs
    if settings.published:
        found = query.of_experiment(uri, settings.published)
        if runs := [each for each in found if _is_published(settings.published, each)]:
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
    return [what, *(f"{key}={value}" for key, value in chosen.items() if value), f"margin={settings.margin}"]


def _is_published(experiment: str, run: RecordedRun) -> bool:
    """Return whether a run is one of the experiment's sweep as it is published, whatever its seed.

    A short version of the experiment is not, nor is a run of an older sweep of this name. What a run is older than has
    the value of today.
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
    try:
        cfg = compose("config", [f"experiment={experiment}"], return_hydra_config=True)
    except HydraException as error:
        raise BadInput(f"experiment={experiment}: {str(error).splitlines()[0]}") from None
    return cfg.hydra.sweeper.params or {}


@cache
def _values_of(experiment: str, overrides: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Return all values of a job of an experiment, None if there is no such job."""
    try:
        return compose_variant(f"experiment={experiment}", *overrides).values
    except BadInput:
        return None


def _publish(uri: str, experiment: str, name: str, folder: Path, table: str) -> None:
    try:
        publish.publish(uri, experiment, name, folder, table)
    except Exception as error:  # of MLflow, SQLAlchemy, requests: the report is written, and can still be checked
        _log.warning("warning: the report could not be kept in MLflow: %s", one_line(error, 300))


def _require_expectable(settings: ReportSettings) -> None:
    if settings.check and not settings.published:
        raise BadInput("check=true: needs experiment=NAME, whose expected.csv the results are compared with")
    if settings.check:
        expected.read(_EXPERIMENTS / (settings.published or "") / "expected.csv")


def _write(uri: str, folder: Path, name: str, result: Summary, command: str) -> None:
    """Write the pages and their pictures in place of an earlier report's."""
    evidence = pages.Evidence(
        title=f"Report on {name}",
        command=command,
        charts=_charts(uri, result),
        samples=_samples(uri, result),
        why={each.run.id: query.why(uri, each) for each in result.runs if not each.is_finished},
        splits=_splits(uri, result),
    )
    text, pictures = pages.page(result, evidence)
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


def _charts(uri: str, result: Summary) -> Mapping[str, bytes]:
    """Return learning curves of all figures, glances and losses, and the profiles of the first figure.

    A metric that no run has at two steps has no curve.
    """
    glances = sorted({name for each in result.runs for name in each.measured if protocol_card.is_glance(name)})
    metrics = [*(figure.name for figure in result.figures), *glances, *_CURVES]
    curves: dict[str, dict[str, list[query.History]]] = {metric: {} for metric in metrics}
    for group in result.groups:
        for history in query.histories(uri, list(group.finished.values()), metrics):
            for metric, values in history.items():
                if len(values) > 1:
                    curves[metric].setdefault(group.name, []).append(values)
    drawn = {
        f"Learning curve of {metric}": charts.learning_curves(metric, by_group)
        for metric, by_group in curves.items()
        if by_group
    }
    first = result.figures[0] if result.figures else None
    if first and len(result.groups) > 1 and first.estimates:
        drawn[f"Performance profiles of {first.name}"] = charts.profiles(first)
    return drawn


def _samples(uri: str, result: Summary) -> Mapping[str, bytes]:
    """Return samples of the first run of each variant, after the last step that all of these have."""
    firsts = {group.name: next(iter(group.finished.values())) for group in result.groups if group.finished}
    found = {name: query.pictures(uri, each) for name, each in firsts.items()}
    common = set.intersection(*(set(steps) for steps in found.values())) if found else set()
    if not common:
        return {}
    step = max(common)
    return {
        f"{name}, seed {firsts[name].seed}, step {step}": query.picture(uri, firsts[name], steps[step]).read_bytes()
        for name, steps in found.items()
    }


def _splits(uri: str, result: Summary) -> Mapping[tuple[str, str], VarianceSplit]:
    """Return the variance of what `src/evaluate.py` measured with several seeds, where it did so for several runs."""
    splits = {}
    for group in result.groups:
        by_figure: dict[str, list[Sequence[float]]] = {}
        for each in group.finished.values():
            for figure, by_seed in query.evaluations(uri, each).items():
                by_figure.setdefault(figure, []).append(list(by_seed.values()))
        for figure, values in by_figure.items():
            if len(values) > 1 and len(values[0]) > 1:
                splits[group.name, figure] = statistics.split_variance(values)
    return splits


def _check(experiment: str, result: Summary) -> None:
    """Raise BadInput if a figure leaves the range that the experiment expects."""
    file = _EXPERIMENTS / experiment / "expected.csv"
    expectations = expected.read(file)
    if failures := list(expected.violations(result, expectations)):
        raise BadInput("\n".join([f"{len(failures)} of {len(expectations)} expectations are not met:", *failures]))
    print(f"{file}: all {len(expectations)} expectations are met")
