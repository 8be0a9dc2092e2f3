"""Published experiments: each is one word, its whole sweep is valid, and its report is written and checked."""

import csv
import re

import programs
import pytest
from conftest import CONF
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from mlflow import MlflowClient

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
QUICK = ("loss=hinge", "strategy=tape,compile,toggle", "seed=0,1,2", "steps=20", "architecture.filters=4")
EMBEDDED = ("dataset=digits", "evaluator.samples=100", "cadence.evaluate=10", "batch_size=8", "jit=off")


def jobs_of(composed, experiment):
    """Return the overrides of each job of an experiment's sweep, of one seed only."""
    params = {**composed(f"experiment={experiment}").hydra.sweeper.params, "seed": 0}
    overrides = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()])
    (batch,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return batch


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_job_of_the_sweep_is_valid(composed, parse, experiment):
    for overrides in jobs_of(composed, experiment):
        parse(f"experiment={experiment}", *overrides)


def test_a_batch_of_packs_grows_with_the_packing(parse):
    assert parse("experiment=stacked_mnist", "packing=2").settings.batch_size == 128


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Train a quick version of an experiment, twice: the second time, nothing is left to do."""
    folder = tmp_path_factory.mktemp("experiment")
    code, _, errors = programs.run(folder, "train", "-m", "experiment=mnist", *QUICK, *EMBEDDED)
    assert code == 0, errors
    return folder


def store(folder):
    return MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")


def test_the_report_of_an_experiment_has_all_runs_and_is_kept_in_mlflow(folder):
    code, output, errors = programs.run(folder, "report", "experiment=mnist", "--tex")
    assert (code, errors) == (0, "")
    assert re.search("identical to (compile|toggle)\n", output), (
        "with BatchNormalization only tape is another algorithm"
    )
    written = folder / "outputs" / "reports" / "mnist"
    text = (written / "report.md").read_text()
    assert text.startswith("# Report on mnist\n\n3 variants, 9 runs, seeds 0, 1, 2.")
    assert "python " in text.partition("## Where it comes from")[2]
    assert (written / "report.html").read_text().count("data:image/png;base64,") == len(list(written.glob("*.png")))
    rows = list(csv.reader((written / "table.csv").read_text().splitlines()))
    header = next(number for number, row in enumerate(rows) if row[0] == "variant")
    assert {row[0] for row in rows[header + 1 :]} == {"tape", "compile", "toggle"}
    assert (written / "table.tex").read_text().startswith("% ")
    client = store(folder)
    (kept,) = client.search_runs(["1"], "tags.`ganfreeze.report` = 'mnist'")
    files = {file.path for file in client.list_artifacts(kept.info.run_id, "report")}
    assert {"report/report.html", "report/report.md", "report/table.tex"} <= files
    assert programs.run(folder, "report", "experiment=mnist")[0] == 0
    assert len(client.search_runs(["1"], "tags.`ganfreeze.report` = 'mnist'")) == 1, "the report was replaced"


def test_a_report_names_the_last_sweep_and_chosen_runs(folder):
    assert programs.run(folder, "report", "sweep=last", "publish=false")[0] == 0
    ids = [run.info.run_id for run in store(folder).search_runs(["1"], "params.seed = '0'")]
    code, output, _ = programs.run(folder, "report", f"runs={','.join(ids)}", "publish=false", "baseline=compile")
    assert code == 0
    assert "inconclusive (one seed)" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "choose one of sweep=, experiment= and runs="),
        (["sweep=last", "experiment=mnist"], "choose one of sweep=, experiment= and runs="),
        (["sweep=nothing"], "sweep=nothing: the store has no run of it"),
        (["experiment=freezing"], "python src/train.py -m experiment=freezing makes them"),
        (["experiment=mnist", "figure=classifier/kid"], "figure=classifier/kid: no run has it; classifier/fid"),
        (["sweep=last", "check=true"], "check=true: needs experiment=NAME"),
        (["sweep=last", "mlruns=nowhere"], "there is no MLflow store at"),
        (["runs=abc"], "runs=abc: the store has no such run"),
    ],
)
def test_a_mistake_is_a_sentence(folder, arguments, message):
    code, _, errors = programs.run(folder, "report", *arguments)
    assert code == 1
    assert message in errors
    assert "Traceback" not in errors
