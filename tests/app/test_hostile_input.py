"""Secrets reach no file, strings no shell, pickles are not loaded, and a folder that cannot be written is named."""

import ast
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from programs import run

from ganfreeze.errors import BadInput
from ganfreeze.record.store_address import require_no_secret

SOURCES = sorted((ROOT / "src").rglob("*.py"))
ADDRESS = "postgresql://me:hunter2@127.0.0.1/runs"
SECRET = [
    ADDRESS,
    f"{ADDRESS},postgresql://me@127.0.0.1/runs",
    f"choice(http://127.0.0.1:5000,'{ADDRESS}')",
    "postgresql://me@127.0.0.1/runs,https://hunter2@host",
    "postgresql:///runs?user=me&password=hunter2",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2",
    "ftp://me%3Ahunter2@host",
    "http://127.0.0.1:9/?token=hunter2",
    "http://127.0.0.1:9/#access_token=hunter2",
    "https://hunter2@host",
]
OPEN = [
    "http://127.0.0.1:5000",
    "http://tokens.example.org:5000,postgresql://me@127.0.0.1:5432/runs",
    "postgresql://me@127.0.0.1:5432/passes",
    "sqlite:///keys/mlflow.db",
]


@pytest.mark.parametrize("address", SECRET)
def test_an_address_with_a_password_is_refused(address):
    with pytest.raises(BadInput, match="must hold no password") as refusal:
        require_no_secret(address)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("address", OPEN)
def test_an_address_without_a_password_is_taken(address):
    require_no_secret(address)


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("train", [f"tracker.uri={ADDRESS}"]),
        ("train", [f"++tracker.uri='{ADDRESS}'"]),
        ("train", ["-m", f"tracker.uri={ADDRESS},postgresql://me@127.0.0.1/runs"]),
        ("sync", [f"uri='{ADDRESS}'"]),
        ("train", [f"tracker='{ADDRESS}'"]),  # where it does not belong
    ],
)
def test_a_password_in_an_address_reaches_neither_terminal_nor_file(tmp_path, program, arguments):
    ended = run(tmp_path, program, *arguments)
    assert ended.returncode == 1
    assert "must hold no password" in ended.stderr
    assert "hunter2" not in ended.stderr + ended.stdout
    assert list(tmp_path.rglob("*")) == []


def test_a_password_in_the_environment_reaches_no_record(tmp_path):
    address = "tracker.uri=${oc.env:ADDRESS}"
    ended = run(tmp_path, "train", address, "steps=5", "evaluator=none", ADDRESS=ADDRESS)
    assert ended.returncode == 1
    assert "hunter2" not in ended.stderr + ended.stdout
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written, "Hydra's own record of the command line"
    assert not any(b"hunter2" in path.read_bytes() for path in written)


def test_strings_of_a_config_reach_no_shell(tmp_path):
    marker = tmp_path / "marker"
    hostile = f"$(touch {marker}); `touch {marker}` | touch {marker} & '"
    quoted = hostile.replace("'", "\\'")
    ended = run(tmp_path, "train", f"tracker.experiment='{quoted}'", "steps=5", "evaluator=none")
    assert ended.returncode == 0, ended.stderr
    run(tmp_path, "train", "dataset=npz", f"dataset.path='{quoted}'")
    assert not marker.exists()


def calls():
    """Yield each call in the source: its file, the dotted name of what is called, and its keywords."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield (
                    path,
                    ast.unparse(node.func),
                    {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords},
                )


def test_no_call_runs_a_shell_or_evaluates_a_string():
    forbidden = {"os.system", "os.popen", "eval", "exec", "subprocess.getoutput", "subprocess.getstatusoutput"}
    assert not [(path, name) for path, name, keywords in calls() if name in forbidden or "shell" in keywords]


def test_pickles_are_loaded_from_the_launcher_s_own_exchange_only():
    loads = {path.name for path, name, _ in calls() if name.endswith("pickle.loads") or name.endswith("pickle.load")}
    assert loads == {"fresh_process_launcher.py"}
    allowed = [(path, name) for path, name, keywords in calls() if keywords.get("allow_pickle", "False") != "False"]
    assert not allowed


def test_a_working_folder_whose_name_hydra_would_replace_is_refused_in_a_sentence(tmp_path):
    folder = tmp_path / "${seed}"
    folder.mkdir()
    ended = run(folder, "train", "steps=5")
    assert ended.returncode == 1
    assert ended.stderr == f"ganfreeze: the working folder {folder} has ${{ in its name, which Hydra would replace\n"


@pytest.mark.parametrize(
    "arguments", [("steps=5",), ("-m", "steps=5,6"), ("-m", "hydra.launcher.n_jobs=2", "steps=5,6")]
)
def test_a_working_folder_that_cannot_be_written_is_named(arguments):
    command = [sys.executable, str(ROOT / "src" / "train.py"), *arguments]
    ended = subprocess.run(command, cwd="/proc", capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ""})
    assert ended.returncode == 1
    assert ended.stderr.startswith("ganfreeze: the working folder /proc cannot be written")
    assert len(ended.stderr.splitlines()) == 1
