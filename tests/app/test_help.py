"""`--help` explains every group, word, option and setting, and lists what a program takes and nothing else."""

import re
from typing import Annotated, Literal

import light
import pytest
from conftest import CONF, ROOT, words
from omegaconf import OmegaConf
from pydantic import Field
from pydantic.fields import FieldInfo

from ganfreeze.app import reference
from ganfreeze.app.help import help_text
from ganfreeze.app.program_settings import PROGRAMS, taken_keys
from ganfreeze.types import GROUPS, Count, DropoutRate, Fraction, Index, Rate, SignedMomentum


@pytest.fixture(scope="module")
def groups():
    """The config groups, explained."""
    return {name: reference.group(name) for name in taken_keys("train").groups}


@pytest.mark.parametrize("group", [*GROUPS, "experiment"])
def test_every_word_is_explained_by_a_sentence(groups, group):
    assert list(groups[group].words) == words(group)
    for word, line in {group: groups[group].line, **groups[group].words}.items():
        assert re.fullmatch(r"\S.{5,}\.", line), f"{word}: {line!r}"


@pytest.mark.parametrize(("group", "word"), [(group, word) for group in GROUPS for word in words(group)])
def test_every_option_of_every_word_is_explained(groups, group, word):
    for name in OmegaConf.load(CONF / group / f"{word}.yaml"):
        if name != "_target_":
            found = [
                option
                for option in groups[group].options
                if option.key == f"{group}.{name}" and (word in option.words or not option.words)
            ]
            assert len(found) == 1, f"{name}: one explanation"
            assert re.fullmatch(r"[\"A-Z`].{9,}\.", found[0].line), f"{name}: {found[0].line!r}"
            assert found[0].allowed not in ("", "any value")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_setting_of_every_program_is_explained(program):
    settings = {option.key: option for option in reference.settings(program)}
    assert list(settings) == list(taken_keys(program).settings)
    for key, option in settings.items():
        assert re.fullmatch(r"[\"A-Z`].{9,}\.", option.line), f"{key}: {option.line!r}"
        assert option.allowed not in ("", "any value"), key


@pytest.mark.parametrize(
    ("annotation", "allowed"),
    [
        (Count, "integer >= 1"),
        (Index | None, "integer >= 0, or null"),
        (Rate, "number > 0"),
        (Fraction, "number in [0, 1]"),
        (DropoutRate, "number in [0, 1)"),
        (SignedMomentum, "number in (-1, 1)"),
        (Annotated[float, Field(gt=0, le=1)], "number in (0, 1]"),
        (bool, "true or false"),
        (Literal["a", "b", "c"], "a, b or c"),
        (list[Literal["a", "b"]], "a list, in brackets, of a or b"),
        (Annotated[str, Field(description="a folder")] | None, "a folder, or null"),
        (str, "text"),
        (type("Own", (), {}), "any value"),
    ],
)
def test_a_range_in_words(annotation, allowed):
    assert reference._allowed(FieldInfo.from_annotation(annotation)) == allowed


def test_the_defaults_are_those_of_the_words(groups):
    options = {option.key: option for option in groups["optimizer"].options}
    assert options["optimizer.generator_rate"].default == "0.0002 (5e-05 in rmsprop; 0.01 in sgd)"
    assert options["optimizer.momentum"] == (
        "optimizer.momentum",
        "number in (-1, 1)",
        "0.0",
        "The share of the last step that is added to a step. A negative one damps the rotation of a game.",
        ("sgd",),
        (),
    )
    order = next(option for option in groups["update"].options if option.key == "update.order")
    assert order.default == "discriminator_first (simultaneous in extragradient, optimistic, simultaneous)"
    assert order.choices == ("discriminator_first", "generator_first", "simultaneous")
    assert not order.words, "every update has it"


def test_a_default_that_a_variable_of_the_environment_replaces(monkeypatch):
    monkeypatch.setenv("GANFREEZE_DATA", "/elsewhere")
    data = next(option for option in reference.settings("train") if option.key == "paths.data")
    assert data.default == "data, or the environment variable GANFREEZE_DATA"
    run = next(option for option in reference.settings("sample") if option.key == "run")
    assert (run.default, run.allowed) == ("", "an MLflow run id, 32 hexadecimal digits")


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_help_lists_what_the_program_takes(program):
    lines = help_text(program, width=80).splitlines()
    keys = [line[2:].partition(":")[0].partition(" (of")[0] for line in lines if re.match(r"  [\w.]+( \(of|:)", line)]
    taken = taken_keys(program)
    assert [key for key in keys if key in taken.settings] == list(taken.settings)
    assert [line.partition(" ")[0] for line in lines if re.match(r"\w+ \(default ", line)] == list(taken.groups)
    assert "_target_" not in "\n".join(lines)
    assert lines[-1].endswith("`hydra`.")


def test_the_help_of_a_recorded_run_lists_what_may_be_chosen_anew():
    assert "\n  dataset.path: as of src/train.py, where the run has this option.\n" in help_text("evaluate", width=100)


def test_the_help_of_sample_is_short():
    text = help_text("sample", width=100)
    assert "strategy" not in text
    assert "  count: integer >= 1; default 64\n      How many samples are drawn.\n" in text


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns):
    assert max(map(len, help_text("train", width=columns).splitlines())) <= columns


def test_the_help_of_some_topics():
    text = help_text("train", ["schedule=cosine", "cadence"], width=100)
    assert text.startswith("schedule (default constant): ")
    assert "  cadence.log: integer >= 1; default 50\n" in text
    assert "strategy" not in text


@pytest.mark.parametrize("arguments", [["--help"], ["-h", "loss"], ["strategy=tape", "--help"]])
def test_the_help_imports_no_tensorflow_and_writes_nothing(tmp_path, arguments):
    ended = light.run(tmp_path, "train", *arguments, PYTHONPATH=str(ROOT / "src"), COLUMNS="40")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "(default " in ended.stdout
    assert not ended.imported_tensorflow
    assert max(map(len, ended.stdout.splitlines())) <= 40
    assert not list(tmp_path.iterdir())
