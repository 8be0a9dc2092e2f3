"""docs/from_python: its example prints what the page says, and the notebook comes to what is stored in it."""

import re
import runpy
import shlex

import programs
import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "from_python.md").read_text()
BOTH = r"identical|equal to rounding"  # which of them depends on the machine


def lasting(text: str) -> str:
    """Return a text without what depends on the machine: numbers with a fraction, and whether rounding differs."""
    return re.sub(rf"\d+\.\d+(e-\d+)?|(?<=steps_per_second )\d+\b|\b0\b|{BOTH}", "#", text)


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """Run in an empty folder, in processes that import this ganfreeze."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    return programs.with_store(tmp_path)


def run_code(folder, code):
    """Run the code of `python -c`, from a file."""
    script = folder / "of_the_page.py"
    script.write_text(code)
    return programs.run(folder, script)


def test_the_example_prints_what_the_page_says(outside):
    [(code, output)] = re.findall(
        r"```python\n(.*?)```\n\nprints, among other lines:\n\n```\n(.*?)```", PAGE, re.DOTALL
    )
    done = run_code(outside, code)
    assert done.returncode == 0, done.stderr
    assert set(lasting(output).splitlines()) <= set(lasting(done.stdout).splitlines()), done.stdout


def test_the_first_command_and_the_program_print_the_same(outside):
    command, program = re.search(r"```sh\n(python -c .+)\n(python src/.+)\n```", PAGE).groups()
    output = re.search(r"```\n\n```\n(.*?)```", PAGE, re.DOTALL)[1]
    first = run_code(outside, shlex.split(command)[-1])
    _, script, *arguments = shlex.split(program)
    second = programs.run(outside, ROOT / script, *arguments)
    assert lasting(first.stdout + second.stdout) == lasting(output), first.stderr + second.stderr


def test_the_notebook_comes_to_what_is_stored_in_it(outside):
    notebook = runpy.run_path(str(ROOT / "docs" / "from_python.py"))
    for before, after in zip(notebook["stored"]().cells, notebook["executed"]().cells, strict=True):
        assert said(after) == said(before), after.source


def said(cell) -> tuple[list[list[str]], str]:
    """Return the kinds of a cell's results, and all its text without what depends on the machine."""
    outputs = cell.get("outputs", [])
    kinds = [sorted(each["data"]) for each in outputs if "data" in each]
    return kinds, lasting("".join(each.get("text") or each["data"]["text/plain"] for each in outputs))


def test_the_notebook_is_small_and_has_its_picture():
    notebook = ROOT / "docs" / "from_python.ipynb"
    assert notebook.stat().st_size < 100_000
    assert '"image/png"' in notebook.read_text()
    assert '"ename"' not in notebook.read_text()
