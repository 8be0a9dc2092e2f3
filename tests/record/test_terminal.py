"""What a run shows while it goes on: on terminals of any width, which are read as they look, and in logs."""

import json
import re
import sys
import threading

import pytest
from screen import OnTerminal

from ganfreeze import events
from ganfreeze.record import run_folder, sweep_ledger, sweep_progress, terminal
from ganfreeze.record.report import sweep_list
from ganfreeze.record.report.sweep_list import Standing
from ganfreeze.record.sweep_ledger import Job
from ganfreeze.record.terminal import Terminal

NAME = "tape loss=hinge architecture.filters=64 optimizer.generator_rate=0.0001 update.judge=inference seed=0"
DRAWS = """
import logging, sys, time
from pathlib import Path
from ganfreeze import events
from ganfreeze.record import sweep_progress
from ganfreeze.record.terminal import Terminal

name, sweep = sys.argv[1:]
logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s")
with Terminal(name, sweep_progress.line_of(Path("."), sweep)) as terminal:
    terminal.write(events.Entered("preparing the evaluator and real data"))
    time.sleep(0.5)
    logging.info("a line of a log, " + "x" * 90)
    terminal.write(events.Started(0, 100000))
    time.sleep(0.4)
    for step in range(10000, 100001, 10000):
        losses = {"discriminator_loss": 123.4567, "generator_loss": 0.1}
        terminal.write(events.Measured(step, {**losses, "steps_per_second": 12345.6}))
        print("a line of step", step)
        print("an error", file=sys.stderr)
        time.sleep(0.15)
    terminal.write(events.Ended(100000))
"""
PRINTED = [
    "a line of a log, " + "x" * 90,
    *(line for step in range(10000, 100001, 10000) for line in (f"a line of step {step}", "an error")),
    f"{NAME}: 100000 steps  steps_per_second 1.235e+04",
]


@pytest.fixture
def sweep(tmp_path):
    """Write the ledger of a sweep of three runs, of which one took 100 s and one failed. Return its name."""
    name = sweep_ledger.begin(tmp_path, "ab12", "train.py -m", anew=False)
    sweep_ledger.write_jobs(tmp_path, name, [Job(f"seed={seed}", f"key{seed}") for seed in range(3)])
    for key, status in (("key0", "FINISHED"), ("key1", "FAILED")):
        run_folder.create(tmp_path, key).release()
        progress = run_folder.Progress(status, 50, 50, 100.0, figures={})
        (tmp_path / f"{key}-1" / "progress.json").write_text(json.dumps(progress._asdict()))
    return name


def draw(folder, sweep, width, **environment):
    return OnTerminal([sys.executable, "-c", DRAWS, NAME, sweep], width, folder=folder, **environment)


def rows(lines, width):
    """Return the rows that lines take on a screen, without spaces at their ends."""
    return [line[start : start + width].rstrip() for line in lines for start in range(0, len(line), width)]


@pytest.mark.parametrize("width", [40, 80])
def test_live_lines_are_as_wide_as_the_terminal_at_most_and_break_no_other_line(tmp_path, sweep, width):
    shown = draw(tmp_path, sweep, width)
    assert shown.code == 0, shown.drawn
    assert [row.rstrip() for row in shown.screen.rows if row.strip()] == rows(PRINTED, width), "and nothing is left"
    assert shown.screen.cursor_is_shown
    assert shown.shows(re.escape(NAME[: width - 1]) + "…")
    assert shown.shows(r". preparing the evaluator and real data")
    assert shown.shows(r". taking the first steps")
    losses = r"  D 123\.457  G 0\.100" if width == 80 else ""
    assert shown.shows(rf"[━╸╺ ]+ 50000/100000  12346 steps/s{losses} \d\d:\d\d")
    sentence = "sweep: 1 of 3 finished, 1 failed, about 2 min left"
    assert shown.shows(sentence if width == 80 else re.escape(sentence[: width - 1]) + "…")


def test_without_colours_there_are_none(tmp_path, sweep):
    shown = draw(tmp_path, sweep, 80, NO_COLOR="1")
    assert shown.shows(r".*50000/100000.*")
    assert not re.search(r"\x1b\[[0-9;]*(3|4|9|10)[0-9](;[0-9]+)*m", shown.drawn)


def test_a_dumb_terminal_gets_no_control_codes(tmp_path, sweep):
    shown = draw(tmp_path, sweep, 80, TERM="dumb")
    assert "\x1b" not in shown.drawn
    assert [row for row in shown.screen.rows if row] == rows(PRINTED, 80)


def test_a_log_gets_a_line_on_a_stage_that_takes_long_and_at_most_ten_on_the_steps(monkeypatch, capsys):
    """FORCE_COLOR, which many CI services set, makes no terminal of a log."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(terminal, "_LONG", 0.05)
    monkeypatch.setattr(terminal, "_MINUTE", 0.0)
    said = threading.Event()
    monkeypatch.setattr(Terminal, "_log", lambda self, what, log=Terminal._log: (log(self, what), said.set()))
    with Terminal("tape") as shown:
        shown.write(events.Entered("loading the data"))
        shown.write(events.Entered("auditing what each phase moves"))
        assert said.wait(10)
        shown.write(events.Started(0, 1000))
        for step in range(1, 1001):
            shown.write(events.Measured(step, {"steps_per_second": 10.0}))
        shown.write(events.Ended(1000))
    output, errors = capsys.readouterr()
    assert output == "tape: 1000 steps  steps_per_second 10\n"
    left = {100: "90 s", 200: "80 s", 300: "70 s", 400: "60 s", 500: "50 s"}
    left |= {600: "40 s", 700: "30 s", 800: "20 s", 900: "10 s", 1000: "0 s"}
    steps = [f"tape: step {step} of 1000, 10 steps/s, about {time} left" for step, time in left.items()]
    assert errors.splitlines() == ["tape: auditing what each phase moves", *steps]


def test_tables_have_no_control_codes(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert (
        sweep_list.sweeps_table([]) == "sweep  runs  finished  running  killed  failed  waiting  cost  left  command\n"
    )


def test_a_log_gets_a_line_on_a_sweep_when_there_is_news(monkeypatch, capsys):
    monkeypatch.setattr(sweep_progress, "_MINUTE", 0.01)
    standings = [
        Standing(0, 3, 0, None),
        Standing(0, 3, 0, None),
        Standing(0, 3, 0, 130.0),
        Standing(0, 3, 0, 120.0),
        Standing(1, 3, 0, 90.0),
        Standing(1, 3, 1, 40.0),
        Standing(2, 3, 1, 0.0),
    ]
    over, left = threading.Event(), iter(standings)

    def read():
        standing = next(left, None)
        if standing is None:
            over.set()
        return standing or standings[-1]

    with sweep_progress.shown(read, runs_show_it=True):
        assert over.wait(10)
    output, errors = capsys.readouterr()
    assert (output, errors.splitlines()) == (
        "",
        [
            "ganfreeze: 0 of 3 finished, about 2 min left",
            "ganfreeze: 1 of 3 finished, about 90 s left",
            "ganfreeze: 1 of 3 finished, 1 failed, about 40 s left",
            "ganfreeze: 2 of 3 finished, 1 failed",
        ],
    )


def test_how_a_sweep_stands_is_read_once_in_a_few_seconds(tmp_path, sweep, monkeypatch):
    reads = []
    inner = sweep_ledger.progress_of
    monkeypatch.setattr(sweep_ledger, "progress_of", lambda *arguments: reads.append(1) or inner(*arguments))
    line = sweep_progress.line_of(tmp_path, sweep)
    assert line is not None
    assert {line().plain for _ in range(100)} == {"sweep: 1 of 3 finished, 1 failed, about 2 min left"}
    assert len(reads) == 1
    assert sweep_progress.line_of(tmp_path, "") is None
    assert sweep_progress.line_of(tmp_path, "of another launcher") is None
