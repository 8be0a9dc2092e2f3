"""docs/extending.md: the files of its examples, copied into a fresh tree, work as the page says."""

import re
import shlex
import shutil

import programs
import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text()
FILES = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)\n```(?:\n\n```\n(.*?)```)?", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The source and the configs, with the files of the page beside them."""
    tree = tmp_path_factory.mktemp("extended")
    for folder in ("src", "conf"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in FILES:
        assert not (tree / path).exists(), f"{path} is there already: the example would hide it"
        (tree / path).write_text(text)
    return programs.with_store(tree)


def without_numbers(text: str) -> set[str]:
    """Return the lines of a program's output, one space between words, and # for rates and metrics."""
    return {" ".join(re.sub(r"\d+\.\d+", "#", line).split()) for line in text.splitlines()}


def test_the_page_has_a_strategy_an_architecture_a_data_set_and_a_metric():
    groups = [path.rpartition("/")[0] for path, _ in FILES]
    assert {"conf/strategy", "conf/architecture", "conf/dataset", "conf/evaluator"} <= set(groups)
    assert "src/ganfreeze/evaluation/metrics" in groups
    assert len(COMMANDS) == 5


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_every_command_prints_what_the_page_says(tree, command, output):
    _, script, *arguments = shlex.split(command)
    done = programs.run(tree, tree / script, *arguments)
    assert done.returncode == 0, done.stderr
    assert without_numbers(output) <= without_numbers(done.stdout), done.stdout
