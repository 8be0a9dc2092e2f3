"""What a cluster's launcher refuses, and what a job does on a node, without a cluster."""

import os
import signal
import sys

import programs
import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from ganfreeze.app.node_task import NodeTask
from ganfreeze.errors import BadInput
from hydra_plugins.ray_launcher import RayLauncher
from hydra_plugins.slurm_launcher import SlurmLauncher

SWEEP = ("-m", "seed=0,1", "steps=20")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["submitit_slurm"], "hydra/launcher=submitit_slurm: there is no srun here; start where Slurm's commands are"),
        (
            ["submitit_slurm", "hydra.launcher.array_parallelism=0"],
            "hydra.launcher.array_parallelism=0: must be greater than or equal to 1",
        ),
        (
            ["ray", "hydra.launcher.ray.init.address=127.0.0.1:1"],
            "hydra.launcher.ray.init.address=127.0.0.1:1: there is no Ray cluster ([Errno 111] Connection refused)",
        ),
    ],
)
def test_a_cluster_that_is_not_there_is_named(tmp_path, arguments, message):
    launcher, *options = arguments
    ended = programs.run(tmp_path, "train", *SWEEP, f"hydra/launcher={launcher}", *options, PATH=str(tmp_path))
    assert (ended.returncode, ended.stderr) == (1, f"ganfreeze: nothing was started; {message}\n")


@pytest.mark.parametrize(
    ("launcher", "word", "engine"),
    [
        (SlurmLauncher(32), "submitit_slurm", "hydra_plugins.hydra_submitit_launcher.submitit_launcher"),
        (
            RayLauncher(OmegaConf.create({"init": {}, "remote": {}})),
            "ray",
            "hydra_plugins.hydra_ray_launcher.ray_launcher",
        ),
    ],
)
def test_an_engine_that_is_not_installed_is_named(monkeypatch, launcher, word, engine):
    monkeypatch.setitem(sys.modules, engine, None)
    monkeypatch.setenv("PYTHONPATH", "")
    config = OmegaConf.create({"hydra": {"runtime": {"choices": {"hydra/launcher": word}}}})
    launcher.setup(hydra_context=None, task_function=None, config=config)
    with pytest.raises(BadInput, match=rf"hydra/launcher={word} is not installed: pip install 'ganfreeze\[cluster\]'"):
        launcher.prepare()


@pytest.fixture
def node(tmp_path, monkeypatch):
    """Make this process a node: elsewhere, with other arguments. Return a function that runs a task on it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["worker"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "worker"])
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "GANFREEZE_DATA"):
        monkeypatch.setenv(name, "before")
    hydra = OmegaConf.create({"hydra": {"job": {"id": "17_0"}}})
    monkeypatch.setattr(HydraConfig.instance(), "cfg", hydra)
    home = tmp_path / "home"
    home.mkdir()

    def run(task):
        line = (["train.py", "seed=0"], ["python", "train.py", "seed=0"])
        environment = {"GANFREEZE_DATA": "of the launcher"}
        return NodeTask(task=task, job="sweep/3", cores=2.5, folder=home, command_line=line, environment=environment)(
            OmegaConf.create({})
        )

    return run


def test_a_job_runs_as_beside_its_launcher(node, tmp_path):
    def task(_):
        assert sys.argv == ["train.py", "seed=0"]
        assert sys.orig_argv == ["python", "train.py", "seed=0"]
        assert os.environ["GANFREEZE_DATA"] == "of the launcher"
        assert os.environ["TF_NUM_INTRAOP_THREADS"] == "2"
        assert os.getcwd() == str(tmp_path / "home")  # noqa: PTH109
        return HydraConfig.get().job.id

    assert node(task) == "sweep/3"


def test_a_sentence_is_an_error_and_no_exit(node):
    """An engine takes an exit for a lost machine, and would start the job again."""

    def task(_):
        raise SystemExit("ganfreeze: steps=-1 is wrong")

    with pytest.raises(RuntimeError, match="steps=-1 is wrong"):
        node(task)


@pytest.mark.parametrize(("state", "number"), [("RUNNING", 1), ("CANCELLED", 0), ("COMPLETING", 0), ("PENDING", 0)])
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR2])
def test_a_preempted_job_is_put_back_and_a_cancelled_one_is_not(node, tmp_path, monkeypatch, state, number, sent):
    (tmp_path / "squeue").write_text(f"#!/bin/sh\necho {state}\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    put_back = []
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR2)}
    signal.signal(signal.SIGUSR2, lambda *_: put_back.append("USR2"))

    def task(_):
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # as a run ends
        os.kill(os.getpid(), sent)
        signal.pause()

    with pytest.raises(SystemExit) as ended:
        node(task)
    for each, handler in handlers.items():
        signal.signal(each, handler)
    assert ended.value.code == 143
    assert len(put_back) == number
