"""Published experiments: each is one word, its whole sweep is valid, and its report is written and checked."""

import csv
import re

import programs
import pytest
from conftest import CONF, ROOT
from hydra import initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from mlflow import MlflowClient
from report_runs import recorded

from ganfreeze.app import experiments
from ganfreeze.record.report import expected, groups

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
QUICK = ("loss=hinge", "strategy=tape,compile,toggle", "seed=0,1", "steps=10", "architecture.filters=4")
EMBEDDED = ("dataset=digits", "evaluator.samples=100", "cadence.glance=null", "batch_size=8", "jit=off", "audit=off")

QUICK_SWEEPS = {
    "batch_norm": ("strategy=tape,compile", "update.judge=inference"),
    "freezing": ("dataset=digits", "keras=keras2", "strategy=tape,compile", "architecture.batch_norm=false"),
    "mixtures": ("packing=1,2",),
    "mixtures_grid": ("packing=1,2",),
    "mnist": ("dataset=digits", "loss=least_squares", "strategy=tape,train_step"),
    "recompile": ("dataset=digits", "keras=keras3", "strategy=toggle,recompile", "architecture.batch_norm=true"),
    "stacked_mnist": ("packing=1,2", "dataset.examples=1000"),
}
EQUAL_TO_THE_BIT = {"freezing", "mnist", "recompile"}  # the two variants of the quick sweep


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


def test_a_run_is_of_an_experiment_if_it_is_a_job_of_its_sweep(parse):
    """Whatever its seed and its folders; an option that is newer than the run has its default."""
    values = parse("experiment=batch_norm", "strategy=compile", "update.judge=inference", "seed=100").values
    own = {key: str(value) for key, value in values.items()} | {
        "paths.cache": "elsewhere",
        "evaluator.test_accuracy": "1",
    }
    older = {key: value for key, value in own.items() if key != "latent"}
    changed = [{**own, "steps": "20"}, {**own, "architecture.filters": "4"}, {**own, "strategy": "unknown"}]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert [experiments.is_published("batch_norm", recorded(0, {}, **each)) for each in (own, older)] == [
            True,
            True,
        ]
        assert [experiments.is_published("batch_norm", recorded(0, {}, **each)) for each in changed] == [False] * 3


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_what_is_expected_are_variants_of_the_sweep(composed, parse, experiment):
    """An experiment that nobody has published yet expects nothing."""
    file = ROOT / "experiments" / experiment / "expected.csv"
    wanted = {each.variant for each in expected.read(file)} if file.exists() else set()
    jobs = jobs_of(composed, experiment) if wanted else []
    values = [parse(f"experiment={experiment}", *job).values for job in jobs]
    runs = [recorded(n, {}, **{key: str(value) for key, value in each.items()}) for n, each in enumerate(values)]
    assert wanted <= {group.name for group in groups.grouped(runs)}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_quick_version_is_trained_and_reported_on(tmp_path, mnist_files, experiment):
    """One seed, four steps, two variants. Those that the experiment found equal to the bit are so at once."""
    folder = programs.with_store(tmp_path / "quick")
    quick = ("seed=0", "steps=4", "update.judge=auto", "evaluator.samples=100", "cadence.glance=null", "audit=off")
    sweep = (f"experiment={experiment}", *quick, *QUICK_SWEEPS[experiment], f"paths.data={mnist_files}")
    code, _, errors = programs.Program(folder, "train", "-m", *sweep).end(
        timeout=900
    )  # it may train a classifier first
    assert code == 0, errors
    code, output, errors = programs.run(folder, "report", "sweep=last")
    assert (code, errors) == (0, "")
    assert output.count("FINISHED") == 2
    assert ("identical" in output) == (experiment in EQUAL_TO_THE_BIT), output
    (page,) = (folder / "outputs" / "reports").glob("*/report.md")
    assert f"train.py -m experiment={experiment} " in page.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Train a quick version of an experiment, with digits."""
    folder = programs.with_store(tmp_path_factory.mktemp("experiment"))
    code, _, errors = programs.run(folder, "train", "-m", "experiment=mnist", *QUICK, *EMBEDDED)
    assert code == 0, errors
    return folder


def store(folder):
    return MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")


def test_the_report_of_a_sweep_has_all_runs_and_is_kept_in_mlflow(folder):
    code, output, errors = programs.run(folder, "report", "sweep=last", "--tex")
    assert (code, errors) == (0, "")
    assert re.search("identical to (compile|toggle)\n", output), (
        "with BatchNormalization only tape is another algorithm"
    )
    (written,) = (folder / "outputs" / "reports").iterdir()
    text = (written / "report.md").read_text()
    assert text.startswith(f"# Report on {written.name}\n\n3 variants, 6 runs, seeds 0, 1.")
    assert (
        f"python src/report.py sweep={written.name} margin=0.05 tex=true\n"
        in text.partition("## Where it comes from")[2]
    )
    assert (written / "report.html").read_text().count("data:image/png;base64,") == len(list(written.glob("*.png")))
    rows = list(csv.reader((written / "table.csv").read_text().splitlines()))
    header = next(number for number, row in enumerate(rows) if row[0] == "variant")
    assert {row[0] for row in rows[header + 1 :]} == {"tape", "compile", "toggle"}
    assert (written / "table.tex").read_text().startswith("% ")
    client = store(folder)
    search = f"tags.`ganfreeze.report` = '{written.name}'"
    (kept,) = client.search_runs(["1"], search)
    files = {file.path for file in client.list_artifacts(kept.info.run_id, "report")}
    assert {"report/report.html", "report/report.md", "report/table.tex"} <= files
    assert programs.run(folder, "report", f"sweep={written.name[-8:]}")[0] == 0
    assert len(client.search_runs(["1"], search)) == 1, "the report was replaced"
    assert not list(written.glob("table.*")), "they were of the earlier report"


def test_a_report_is_on_chosen_runs(folder):
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
        (["sweep=last", "figure=classifier/kid"], "figure=classifier/kid: no run has it; classifier/fid"),
        (["experiment=mnist"], "has runs of it, but none of today's conf/experiment/mnist.yaml"),
        (["experiment=nothing"], "experiment=nothing: no such experiment; there are batch_norm, "),
        (["experiment=batch_norm"], "experiment=batch_norm: the store has no run of it"),
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
