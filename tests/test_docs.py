"""What README says is what is done."""

import re

from conftest import ROOT, words
from test_freeze_matrix import MATRIX, PLACES

from ganfreeze.app import GROUPS
from ganfreeze.record.report import freeze_matrix
from ganfreeze.record.report.freeze_matrix import Cell

README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"```sh\n(python3 -m venv .*)\n```", README)


def test_the_tests_command_is_the_one_ci_runs():
    assert len(COMMANDS) == 2
    assert COMMANDS[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_word_is_in_the_readme():
    table = README.partition("| group | words |")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))
    assert rows.keys() == set(GROUPS)
    for group in GROUPS:
        assert {word for word in re.findall(r"`(\w+)`", rows[group]) if word in words(group)} == set(words(group))


def test_the_matrix_shown_is_the_matrix_asserted():
    cells = [
        Cell(strategy, *place, *(MATRIX[strategy][place][0] + MATRIX[strategy][place][1]), verdict="")
        if place in MATRIX[strategy]
        else Cell(strategy, *place, None, None, None, None, "", refused="it is refused")
        for strategy in words("strategy")
        for place in PLACES
    ]
    assert set(freeze_matrix.markdown(cells).splitlines()[2:]) <= set(README.splitlines())


def test_every_link_and_picture_is_there():
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
