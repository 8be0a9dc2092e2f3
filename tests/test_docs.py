"""What README says is what is done."""

import re

from conftest import ROOT, words

from ganfreeze.app import WORDS

README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"```sh\n(python3 -m venv .*)\n```", README)


def test_the_tests_command_is_the_one_ci_runs():
    assert len(COMMANDS) == 2
    assert COMMANDS[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_word_is_in_the_readme():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", README, re.MULTILINE))
    assert rows.keys() == set(WORDS)
    for group in WORDS:
        assert {word for word in re.findall(r"`(\w+)`", rows[group]) if word in words(group)} == set(words(group))


def test_every_link_and_picture_is_there():
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
