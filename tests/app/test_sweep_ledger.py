"""The same sweep command goes on with its sweep: finished runs are skipped, others go on, and none is there twice."""

import os
import signal
import subprocess
import sys
import time

import programs
import psutil
import pytest
from conftest import ROOT, TINY
from mlflow import MlflowClient

from ganfreeze import events
from ganfreeze.record import run_folder, sweep_ledger
from ganfreeze.record.report import sweep_list
from ganfreeze.record.run_folder import Progress
from ganfreeze.record.sweep_ledger import Job, Ledger

SMALL = (*TINY, "evaluator=none", "audit=off", "cadence.log=10", "cadence.glance=null")


def run(folder, *arguments, program="train", **environment):
    return programs.run(folder, program, *arguments, **environment)


def folders(folder):
    return list(run_folder.folders(folder / "outputs" / "state"))


def statuses(folder):
    """Return the status of each recorded run by its seed; check that no seed and no step is there twice."""
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ganfreeze")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    for each in runs:
        steps = [metric.step for metric in client.get_metric_history(each.info.run_id, "generator_loss")]
        assert len(steps) == len(set(steps))
        if each.info.status == "FINISHED":
            assert sorted(steps) == list(range(10, int(each.data.params["steps"]) + 1, 10))
    seeds = [each.data.params["seed"] for each in runs]
    assert len(seeds) == len(set(seeds)), "a run is there twice"
    return {each.data.params["seed"]: each.info.status for each in runs}


def wait_for_step(folder, program, step, count=1):
    """Wait until as many runs as `count` have saved a checkpoint of the step `step`, or of a later one."""
    deadline = time.monotonic() + 120
    while sum(max([0, *_saved(path)]) >= step for path in folders(folder)) < count:
        assert not program.is_over(), program.end()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _saved(path):
    return [int(each.name[5:]) for each in (path / "checkpoints").glob("step-*")]


def jobs_of(launcher):
    """Return the processes that train now, whose launcher this is."""
    servers = psutil.Process(launcher.pid).children()
    return [job for server in servers for job in server.children() if job.status() != psutil.STATUS_ZOMBIE]


def test_the_same_command_skips_what_is_finished_and_leaves_no_file_behind(tmp_path):
    """A longer sweep is another one, and so is a new one on request."""
    programs.with_store(tmp_path)
    temporary = tmp_path / ("a name too long for a socket below it " * 3)
    temporary.mkdir()
    sweep = ("-m", "seed=0,1", "steps=20", *SMALL)
    command = [sys.executable, str(ROOT / "src" / "train.py"), *sweep]
    options = {"cwd": tmp_path, "env": os.environ | {"TMPDIR": str(temporary)}, "capture_output": True, "text": True}
    ended = subprocess.run(command, timeout=300, **options)
    assert ended.returncode == 0, ended.stderr
    output = ended.stdout
    assert list(temporary.iterdir()) == [], "such as __autograph_generated_file*.py"
    first = {path.name for path in folders(tmp_path)}
    code, again, errors = run(tmp_path, *sweep)
    assert (code, errors) == (0, "")
    assert [line for line in again.splitlines() if "finished already" in line] == [
        f"seed={seed} {' '.join(['steps=20', *SMALL])} is finished already" for seed in (0, 1)
    ]
    assert again[again.index("variant") :] == output[output.index("variant") :], "the table is the same"
    assert {path.name for path in folders(tmp_path)} == first
    assert statuses(tmp_path) == {"0": "FINISHED", "1": "FINISHED"}
    code, output, _ = run(tmp_path, *sweep[:1], "seed=0,1,2", *sweep[2:], "resume=never")
    assert (code, "finished already" in output) == (0, False)
    assert len(folders(tmp_path)) == 5
    code, output, _ = run(tmp_path, program="sweeps")
    assert code == 0
    rows = [line.split() for line in output.splitlines() if line.strip()][1:]
    assert [row[1:3] for row in rows] == [["2", "2"], ["3", "3"]]
    code, output, _ = run(tmp_path, f"sweep={rows[0][0]}", program="sweeps")
    assert (code, output.count("finished  20 of 20")) == (0, 2)


def test_a_sweep_whose_launcher_was_killed_goes_on(tmp_path):
    """Two jobs run at a time; both end when their launcher is gone, and the same command finishes all three."""
    programs.with_store(tmp_path)
    sweep = ("-m", "seed=0,1,2", "steps=1000", "cadence.save=50", "hydra.launcher.n_jobs=2", *SMALL)
    launcher = programs.Program(tmp_path, "train", *sweep)
    wait_for_step(tmp_path, launcher, 50, count=2)
    launcher.send(signal.SIGKILL)
    launcher.end()
    deadline = time.monotonic() + 60
    while any(run_folder.is_held(path) for path in folders(tmp_path)):
        assert time.monotonic() < deadline, "a job goes on without its launcher"
        time.sleep(0.1)
    code, output, _ = run(tmp_path, program="sweeps")
    assert code == 0
    assert "killed" in output
    code, output, errors = run(tmp_path, *sweep)
    assert code == 0, errors
    assert statuses(tmp_path) == dict.fromkeys(("0", "1", "2"), "FINISHED")
    assert len(folders(tmp_path)) == 3


def test_a_job_that_was_killed_is_tried_again_and_goes_on(tmp_path):
    programs.with_store(tmp_path)
    launcher = programs.Program(tmp_path, "train", "-m", "seed=0,1", "steps=1000", "cadence.save=50", *SMALL)
    wait_for_step(tmp_path, launcher, 50)
    (job,) = jobs_of(launcher)
    job.kill()
    code, output, errors = launcher.end()
    assert code == 0, errors
    assert "was ended by SIGKILL" in errors
    assert "is tried again" in errors
    assert "goes on at step" in output
    assert statuses(tmp_path) == {"0": "FINISHED", "1": "FINISHED"}


FAULTY = """
from dataclasses import dataclass
from pathlib import Path

from ganfreeze.gan.architecture.mlp import Mlp


@dataclass(frozen=True, kw_only=True)
class Faulty(Mlp):
    fails: int

    def build(self, **options):
        with Path("builds").open("a") as file:
            file.write("x")
        if len(Path("builds").read_text()) <= self.fails:
            raise RuntimeError("a fault that may pass")
        return super().build(**options)
"""


@pytest.mark.parametrize(("fails", "retries", "ends_well"), [(1, 1, True), (1, 0, False)])
def test_a_job_that_fails_is_tried_again_as_often_as_allowed(tmp_path, fails, retries, ends_well):
    """The other job goes on, and the exit status and the lines at the end tell the truth."""
    (tmp_path / "faulty.py").write_text(FAULTY)
    own = ("architecture._target_=faulty.Faulty", f"+architecture.fails={fails}", f"sweep.retries={retries}")
    sweep = ("-m", "seed=0,1", "steps=20", *SMALL, "tracker=none", *own)
    code, _, errors = run(tmp_path, *sweep, PYTHONPATH=str(tmp_path))
    assert (code == 0) == ends_well, errors
    ends = sorted(run_folder.progress(path).status for path in folders(tmp_path))
    assert ends == ["FINISHED" if ends_well else "FAILED", "FINISHED"]
    assert errors.count("is tried again") == min(fails, retries)
    if not ends_well:
        assert "seed=0 steps=20" in errors
        assert "FAILED: RuntimeError: a fault that may pass" in errors
        assert "1 of 2 runs failed" in errors
        assert run(tmp_path, *sweep, PYTHONPATH=str(tmp_path))[0] == 0, "the fault has passed"
        assert [run_folder.progress(path).status for path in folders(tmp_path)] == ["FINISHED", "FINISHED"]


def test_two_launchers_of_one_sweep_share_the_work(tmp_path):
    programs.with_store(tmp_path)
    sweep = ("-m", "seed=0,1", "steps=200", *SMALL)
    launchers = [programs.Program(tmp_path, "train", *sweep) for _ in range(2)]
    ended = [launcher.end() for launcher in launchers]
    assert [each.returncode for each in ended] == [0, 0], ended
    assert sum(each.stdout.count(": 200 steps") for each in ended) == 2, "no run was trained twice"
    assert statuses(tmp_path) == {"0": "FINISHED", "1": "FINISHED"}


def test_a_run_id_is_no_sweep(tmp_path):
    code, _, errors = run(tmp_path, "-m", "seed=0,1", f"resume={'0' * 32}")
    assert code == 1
    assert "nothing was started; resume: a sweep goes on with resume=auto" in errors


# ----------------------------------------------------------------------------------------------------- the pieces

DONE, HALF, DEAD = (
    Progress("FINISHED", 100, 100, 50.0),
    Progress("RUNNING", 50, 100, 30.0),
    Progress("KILLED", 10, 100, 6.0),
)
PAIR = [HALF._replace(at_once=2) for _ in range(2)]  # of seeds_at_once=2


@pytest.mark.parametrize(
    ("progress", "cost", "left"),
    [
        ([DONE], 50.0, 0.0),
        ([DONE, HALF], 80.0, 30.0),
        ([DONE, HALF, HALF], 110.0, 30.0),  # two run at a time
        ([DEAD], 6.0, 54.0),
        ([DONE, None], 50.0, 50.0),
        ([DONE, HALF, None], 80.0, 30.0 + 55.0),  # a run costs 50 or 60 seconds
        ([None, None], 0.0, None),
        ([Progress("FAILED", 10, 100, 6.0), DONE], 56.0, 0.0),
        (PAIR, 30.0, 30.0),
        ([*PAIR, None, None], 30.0, 30.0 + 60.0),
    ],
)
def test_cost_and_time_left(progress, cost, left):
    assert sweep_list.time_of(progress) == (cost, left)


FIRST, SECOND = (
    Progress("FINISHED", 100, 100, 90.0, setup=40.0),  # its set-up trained the classifier
    Progress("RUNNING", 50, 100, 35.0, setup=10.0),
)
BEGUN = Progress("RUNNING", 0, 0, 4.0)
CRAWLING = Progress("RUNNING", 1, 100, 20.0, setup=4.0)  # its first steps are traced


@pytest.mark.parametrize(
    ("progress", "at_a_time", "left", "sentence"),
    [
        ([None, None], 1, None, "0 of 2 finished"),
        ([BEGUN, None], 2, None, "0 of 2 finished"),
        ([CRAWLING, None], 2, None, "0 of 2 finished"),
        ([SECOND, None], 2, 60.0, "0 of 2 finished, about 60 s left"),  # the one that waits needs 10 + 50
        ([FIRST, SECOND, None], 1, 25.0 + 60.0, "1 of 3 finished, about 85 s left"),
        ([FIRST, SECOND, None, None, None], 2, (25.0 + 180.0) / 2, "1 of 5 finished, about 2 min left"),
        ([FIRST, BEGUN], 1, 90.0 - 4.0, "1 of 2 finished, about 86 s left"),
        ([FIRST, CRAWLING], 4, 90.0 - 20.0, "1 of 2 finished, about 70 s left"),
        ([FIRST, SECOND, None], 8, 60.0, "1 of 3 finished, about 60 s left"),  # the longest one, as all run at once
        ([FIRST, Progress("FAILED", 0, 0, 3.0), None], 1, 90.0, "1 of 3 finished, 1 failed, about 90 s left"),
        ([FIRST, Progress("FAILED", 50, 100, 35.0)], 1, 0.0, "1 of 2 finished, 1 failed"),
        ([FIRST, Progress("FINISHED", 100, 100, 60.0)], 1, 0.0, "2 of 2 finished"),
        (PAIR, 1, 30.0, "0 of 2 finished, about 30 s left"),
    ],
)
def test_how_a_sweep_stands(progress, at_a_time, left, sentence):
    """Each run trains for 50 s; the time left counts the jobs that run at a time, and what they have done."""
    standing = sweep_list.standing(progress, at_a_time)
    assert standing.left == left
    assert standing.sentence() == sentence


def test_the_time_before_the_first_step_is_noted(tmp_path):
    folder = run_folder.create(tmp_path, "key")
    with folder:
        time.sleep(0.2)
        folder.write(events.Started(0, 100))
        time.sleep(0.6)
        folder.write(events.Measured(50, {}))
        noted = run_folder.progress(folder.path)
    assert 0.2 <= noted.setup <= noted.seconds - 0.6


def test_the_progress_of_all_jobs_is_that_of_each(tmp_path):
    for key in ("key0", "key0", "key1"):
        with run_folder.create(tmp_path, key) as folder:
            folder.write(events.Started(0, len(list(tmp_path.iterdir()))))
    jobs = [Job("seed=1", "key1"), Job("seed=0", "key0"), Job("seed=2", "key2")]
    each = [sweep_ledger.progress(tmp_path, job.key) for job in jobs]
    assert sweep_ledger.progress_of(tmp_path, jobs) == each
    assert [progress and progress.status for progress in each] == ["FINISHED", "FINISHED", None]


def test_a_ledger_is_read_as_it_was_written_and_a_damaged_one_is_left_out(tmp_path):
    name = sweep_ledger.begin(tmp_path, "ab12", "train.py -m", anew=False)
    sweep_ledger.write_jobs(tmp_path, name, [Job("seed=0", "key0")])
    sweep_ledger.write_jobs(tmp_path, name, [Job("seed=0", "key0"), Job("seed=1", "key1")])
    (tmp_path / "sweeps" / "damaged_ff.json").write_text("{")
    (ledger,) = sweep_ledger.ledgers(tmp_path)
    assert ledger == Ledger(name, "train.py -m", ledger.begun, [Job("seed=0", "key0"), Job("seed=1", "key1")])
    assert sweep_ledger.begin(tmp_path, "ab12", "train.py -m", anew=False) == name
    assert sweep_ledger.begin(tmp_path, "ab12", "train.py -m", anew=True) != name
    assert sweep_ledger.begin(tmp_path, "cd34", "train.py -m", anew=False) != name
