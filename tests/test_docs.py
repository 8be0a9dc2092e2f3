"""The pages say what the project does: their commands, words, matrices and links."""

import csv
import re
import runpy
import shlex

import numpy as np
import pytest
from conftest import CONF, ROOT, words
from test_freeze_matrix import MATRIX, PLACES

from ganfreeze.app.command_line import checked, current_words, report_arguments
from ganfreeze.app.completion import completions
from ganfreeze.app.help import help_text
from ganfreeze.app.parse_config import GROUPS
from ganfreeze.record.report import freeze_matrix
from ganfreeze.record.report.freeze_matrix import Cell

README = (ROOT / "README.md").read_text()
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))
}
TYPO = "python src/train.py optimizer.discriminator_lr=1e-4"  # its output is on the page
SETUP = re.findall(r"```sh\n(python3 -m venv .*)\n```", README)


def commands() -> list[str]:
    """Return every command that starts one of our programs, except those with a blank for the reader to fill in.

    The commands of docs/extending.md need its files: test_extending.py runs them.
    """
    texts = [text for page, text in PAGES.items() if page != "docs/extending.md"]
    texts += [path.read_text() for path in (ROOT / "experiments").glob("*/README.md")]
    pattern = r"(?:^|`|\$ )(?:TF_USE_LEGACY_KERAS=1 )?(python src/[^`\n]+)"
    lines = [line for text in texts for line in re.findall(pattern, text, re.MULTILINE)]
    blanks = r"RUN_ID|FOLDER|NAME|\.\.\.|--| -sc |\$|\[TAB\]"
    return [command for command in dict.fromkeys(lines) if not re.search(blanks, command) and command != TYPO]


def test_the_tests_command_is_the_one_ci_runs():
    assert len(SETUP) == 2
    assert SETUP[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 140


def test_the_reference_is_what_its_program_writes():
    """To write it again: python docs/reference.py"""
    page = runpy.run_path(str(ROOT / "docs" / "reference.py"))["page"]
    assert PAGES["docs/reference.md"] == page()


@pytest.mark.parametrize("group", GROUPS)
def test_every_word_is_in_the_reference(group):
    section = PAGES["docs/reference.md"].partition(f"\n## `{group}`\n")[2].partition("\n## ")[0]
    table = section.partition("| word | what it is |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == words(group)


def test_the_page_of_options_shows_what_is_printed():
    page = PAGES["docs/options.md"]
    shown = help_text("train", ["loss"], width=120)
    assert f"```sh\npython src/train.py --help loss\n```\n\n```\n{shown}\n```\n" in page
    with pytest.raises(SystemExit) as ended:
        checked(shlex.split(TYPO)[1:])
    assert f"```sh\n{TYPO}\n```\n\n```\n{ended.value}\n```\n" in page
    line, offered = re.search(r"\$ python src/train.py (\S+)\[TAB\]\[TAB\]\n(.+)\n", page).groups()
    assert completions("train", line) == offered.split()


def test_every_strategy_is_in_the_readme():
    table = README.partition("| word | meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(words("strategy"))


@pytest.mark.parametrize(
    ("page", "places"),
    [("README.md", [place for place in PLACES if place[1] == "graph"]), ("experiments/freezing/README.md", PLACES)],
)
def test_the_matrix_shown_is_the_matrix_asserted(page, places):
    cells = [
        Cell(strategy, *place, *(MATRIX[strategy][place][0] + MATRIX[strategy][place][1]), verdict="")
        if place in MATRIX[strategy]
        else Cell(strategy, *place, None, None, None, None, "", refused="it is refused")
        for strategy in words("strategy")
        for place in places
    ]
    assert set(freeze_matrix.markdown(cells).splitlines()) <= set((ROOT / page).read_text().splitlines())


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_picture_is_there(page):
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", PAGES[page]):
        assert ((ROOT / page).parent / path).exists(), path


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_a_page_opens_with_a_command_and_its_output(page):
    assert re.match(r"# .+\n\n```sh\n(?:python -c .+\n)?python src/.+\n```\n\n```\n.+\n", PAGES[page]), page


@pytest.mark.parametrize("command", commands())
def test_every_command_names_what_there_is(parse, composed, command):
    """Each command composes; what it names, options included, is what the program takes."""
    _, program, *overrides = shlex.split(command.partition(" # ")[0])
    name = program.removeprefix("src/").removesuffix(".py")
    if name != "train":
        assert (CONF / f"{name}.yaml").exists()
        known = report_arguments(overrides) if name == "report" else current_words(overrides)
        composed(*known, config=name)
        return
    for single in variants([override for override in overrides if override != "-m"]):
        parse(*single)


def variants(overrides: list[str]) -> list[list[str]]:
    """Split a sweep's overrides at their commas, one choice at a time from the first: each word is named once."""
    overrides = [re.sub(r"=range\([\d,]+\)$", "=0", override) for override in overrides]
    overrides = [re.sub(r"=(?:tag\(log, )?interval\((.+?),.+", r"=\1", override) for override in overrides]
    several = [override.partition("=") for override in overrides if "," in override and "[" not in override]
    plain = [override for override in overrides if "," not in override or "[" in override]
    first = [f"{key}={values.split(',')[0]}" for key, _, values in several]
    singles = [[*plain, *first]]
    for number, (key, _, values) in enumerate(several):
        for value in values.split(",")[1:]:
            singles.append([*plain, *first[:number], f"{key}={value}", *first[number + 1 :]])
    return singles


FREEZING = ROOT / "experiments" / "freezing"


def rows_of(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of experiments/freezing."""
    with (FREEZING / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def three_lines(page: str) -> dict[str, list[str]]:
    """Return the three lines of each entry of a page, by its name."""
    entries = re.findall(r"^#### `(\w+)`\n\n- (.+)\n- (.+)\n- `(.+)`\n\n", page, re.MULTILINE)
    return {name: lines for name, *lines in entries}


def effect(row: dict[str, str]) -> str:
    """Return in words what a row of traps.csv says."""
    if row["verdict"] in ("refused", "error"):
        return {"refused": "no such option", "error": "**an error**"}[row["verdict"]]
    moved = []
    if row["generator_phase_weights"] == "True":
        moved.append(f"weights by {float(row['discriminator_in_generator_phase']):.1g}")
    moved += ["kernel"] if row["generator_phase_constraint"] == "True" else []
    moved += ["state"] if row["generator_phase_state"] == "True" else []
    words = "D trains" if row["discriminator_phase_weights"] == "True" else "**D never trains**"
    words += (
        f", the generator phase **moves its {' and its '.join(moved)}**" if moved else ", the generator phase holds it"
    )
    if (distance := float(row["generator_in_discriminator_phase"])) > 0:
        words += f"; the discriminator phase **moves G's weights by {distance:.1g}**"
    return words + ("; **G never trains**" if float(row["generator_in_generator_phase"]) == 0 else "")


def test_every_trap_is_on_the_page_in_three_lines():
    rows = {(row["mechanism"], row["keras"]): row for row in rows_of("traps") if row["mode"] == "graph"}
    traps = list(dict.fromkeys(name for name, _ in rows))
    page = PAGES["docs/freezing.md"].partition("## Traps")[2].partition("### Losses")[0]
    entries = three_lines(page)
    assert list(entries) == traps
    assert f"lists {len(traps)} traps" in README
    for name, (_, measured, command) in entries.items():
        first, second = (effect(rows[name, keras]) for keras in ("keras2", "keras3"))
        assert measured == (f"Both Keras: {first}." if first == second else f"Keras 2: {first}. Keras 3: {second}.")
        variable, program, path, function = re.fullmatch(r"(.+ )?python (\S+) model=(\S+):(\w+)", command).groups()
        assert (variable, program, function) == (
            "TF_USE_LEGACY_KERAS=1 " if name.startswith("spectral_norm") else None,
            "src/freeze_matrix.py",
            name,
        )
        assert f"\ndef {name}(keras):" in (ROOT / path).read_text()


def test_every_statement_is_on_the_page_in_three_lines():
    page = PAGES["docs/freezing.md"].partition("### Losses")[2].partition("## Since when?")[0]
    rows, entries = rows_of("statements"), three_lines(page)
    assert list(entries) == list(dict.fromkeys(row["statement"] for row in rows))
    for name, (_, measured, command) in entries.items():
        assert command == f"python experiments/freezing/statements.py {name}"
        for row in rows:
            if row["statement"] == name:
                first, second = row["keras2"], row["keras3"]
                shown = f"{row['quantity']}: {first if first == second else f'{first} / {second}'}"
                assert shown in measured.removesuffix(".").split("; ")


def test_the_table_of_versions_on_the_page_is_the_one_in_its_file():
    """Traps with the same six cells share a line."""
    versions, cells = list(dict.fromkeys(row["version"] for row in rows_of("keras_versions"))), {}
    for row in rows_of("keras_versions"):
        moved = {"still": "holds", "-": ""}.get(row["generator phase"], f"moves {row['generator phase']}")
        trains = "trains" if "weights" in row["discriminator phase"] else "**never trains**"
        words = {"refused": "no such option", "error": "**error**"}.get(
            row["verdict"].partition(":")[0], f"{trains}, {moved}"
        )
        cells.setdefault(row["trap"], {})[row["version"]] = words
    lines: dict[tuple[str, ...], list[str]] = {}
    versions.sort(
        key=lambda version: (version.startswith("keras"), [int(part) for part in re.findall(r"\d+", version)])
    )
    for trap, of_trap in cells.items():
        lines.setdefault(tuple(of_trap[version] for version in versions), []).append(f"`{trap}`")
    table = [f"| {', '.join(traps)} | {' | '.join(line)} |" for line, traps in lines.items()]
    assert [f"| trap | {' | '.join(versions)} |", "|---" * 7 + "|", *table] == [
        line
        for line in PAGES["docs/freezing.md"].partition("## Since when?")[2].partition("\n## ")[0].splitlines()
        if line[:1] == "|"
    ]


@pytest.mark.parametrize("name", [path.stem for path in sorted(FREEZING.glob("freeze_matrix*.csv"))])
def test_a_matrix_on_the_page_is_the_one_in_its_file(name):
    page = (FREEZING / "README.md").read_text()
    assert f"`{name}.csv`" in page
    cells = [
        Cell(**{key: {"True": True, "False": False}.get(value, value) for key, value in row.items()})
        for row in rows_of(name)
    ]
    assert set(freeze_matrix.markdown(cells).splitlines()) <= set(page.splitlines())


@pytest.mark.parametrize(
    "name", ["without_batch_norm", "with_batch_norm", "same_judge", "same_judge_keras3", "with_dropout"]
)
def test_a_table_of_certificates_on_the_page_is_the_one_in_its_file(name):
    page = (FREEZING / "README.md").read_text()
    largest: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows_of(name):
        of_pair = largest.setdefault((row["a"], row["b"]), {})
        of_pair[row["precision"]] = max(of_pair.get(row["precision"], 0.0), float(row["relative"]))
    for (a, b), of_pair in largest.items():
        shown = " | ".join(f"{value:.1e}" if value else "0" for value in of_pair.values())
        verdicts = re.findall(rf"^\| {a} \| {b} \| \*\*([a-z ]+)\*\* \| {re.escape(shown)} \|", page, re.MULTILINE)
        assert verdicts, (a, b)
        assert all((verdict == "identical") == (not any(of_pair.values())) for verdict in verdicts)
        assert of_pair["float64"] <= 1e-6 or set(verdicts) == {"different algorithm"}


def test_the_tables_of_batch_norm_are_those_of_its_results():
    """Each line shows the least, the median and the largest of eight seeds, rounded to three digits."""
    page = (ROOT / "experiments" / "batch_norm" / "README.md").read_text()
    rows = list(csv.DictReader((ROOT / "experiments" / "batch_norm" / "results.csv").open()))
    groups = {}
    for row in rows:
        key = tuple(row[field] for field in ("strategy", "judge", "batch_norm", "momentum", "epsilon"))
        groups.setdefault(key, []).append((float(row["fid"]), float(row["inception_score"])))
    assert len(rows) == 8 * len(groups) == 112
    for values in groups.values():
        for column in zip(*values, strict=True):
            least, median, most = min(column), float(np.median(column)), max(column)
            assert f"{_three(least)}, **{_three(median)}**, {_three(most)}" in page, values


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
