"""A sweep in a terminal: what it shows while it goes on, and what it leaves behind."""

import sys

from conftest import ROOT
from screen import OnTerminal

TRAIN = [sys.executable, str(ROOT / "src" / "train.py")]
SMALL = ("evaluator=none", "tracker=none", "audit=off", "cadence.log=10", "jit=off")


def test_jobs_that_share_the_terminal_leave_only_their_lines(tmp_path):
    """One job runs at a time, and shows the line of the sweep below its own."""
    shown = OnTerminal([*TRAIN, "-m", "seed=0,1", "steps=50", *SMALL], 60, folder=tmp_path)
    assert shown.code == 0, shown.drawn
    left = "".join(row.ljust(60) for row in shown.screen.rows if row.strip())
    assert [left.count(f"seed={seed}: ") for seed in (0, 1)] == [2, 2]
    assert "sweep:" not in left
    assert "/50" not in left
    assert shown.shows("sweep: 0 of 2 finished")
    assert shown.shows(r"sweep: 1 of 2 finished, about \d+ s left")
    assert shown.shows(". building the networks")
    assert shown.shows(r"[━╸╺ ]+ \d+/50  \d+ steps/s .*")
    assert shown.screen.cursor_is_shown


def test_ctrl_c_leaves_a_clean_terminal(tmp_path):
    """Two jobs write to their own logs; the launcher has the line."""
    endless = ("-m", "seed=0,1", "steps=1000000", "hydra.launcher.n_jobs=2", *SMALL)
    keys = {"keys": "\x03", "keys_at": "sweep: 0 of 2 finished"}
    shown = OnTerminal([*TRAIN, *endless], 40, folder=tmp_path, **keys)
    assert shown.code == 130, shown.drawn
    lines = [row.rstrip() for row in shown.screen.rows if row.strip()]
    sentence = "ganfreeze: sweep interrupted; the same command goes on with it"
    assert lines[-2:] == [sentence[:40].rstrip(), sentence[40:]]
    assert not any("finished" in line or "Traceback" in line for line in lines), lines
    assert shown.screen.cursor_is_shown
    assert shown.drawn.rindex("\x1b[?25h") > shown.drawn.rindex("\x1b[?25l")
