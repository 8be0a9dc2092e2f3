"""Train runs and sweeps in real processes, as a user does, and read the records with MLflow's own client."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from ast import literal_eval
from contextlib import suppress
from pathlib import Path

import numpy as np
import programs
import psutil
import pytest
from conftest import ROOT, TINY
from filelock import FileLock
from mlflow import MlflowClient
from omegaconf import OmegaConf
from PIL import Image

from ganfreeze.evaluation import protocol_card
from ganfreeze.evaluation.protocol_card import FIELDS, for_metric

TRAIN = ROOT / "src" / "train.py"
ENDLESS = (
    *TINY,
    "evaluator=none",
    "audit=off",
    "steps=1000000",
    "jit=off",
)  # it trains at once, and measures no speeds before

# As a program that a shell script starts with &. The jobs of a sweep load this script too.
IGNORING_SIGINT = f"""
import runpy, signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    runpy.run_path({str(TRAIN)!r}, run_name="__main__")
"""

STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def processes_killed_after_each_test():
    yield
    for process in STARTED:
        if process.poll() is None:
            process.kill()
    STARTED.clear()


def start(folder, script, *arguments, **options):
    """Start a script in a new process, with `options` of `subprocess.Popen`."""
    command = [sys.executable, str(script), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    STARTED.append(subprocess.Popen(command, cwd=folder, **pipes, **options))
    return STARTED[-1]


def finish(process, timeout=300):
    """Wait for a process, and return its exit status, standard output and standard error."""
    output, errors = process.communicate(timeout=timeout)
    return process.returncode, output, errors


def is_progress(line):
    """Return whether a line of standard error says how far a sweep or a run is, or which stage of it takes long."""
    return re.match(r"ganfreeze: \d of \d finished|(tape|compile): ([a-z ]+$|step \d+ of 50, )", line)


def client_of(folder):
    return MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")


def runs_of(folder):
    client = client_of(folder)
    experiment = client.get_experiment_by_name("ganfreeze")
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]) if experiment else []


def artifacts(client, run, path=None):
    return sorted(file.path for file in client.list_artifacts(run.info.run_id, path))


def pictures(client, run, step):
    return [path for path in artifacts(client, run, "images") if f"step+{step}+" in path and path.endswith(".png")]


def wait_for(condition, is_over, seconds=120):
    """Wait until the condition holds. Fail if the process ends before.

    `is_over` returns None or False while the process runs, and else its exit status or True.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert is_over() in (None, False), "the process ended too early"
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.3)


def is_training(folder):
    if not (folder / "mlruns" / "mlflow.db").exists():
        return False
    with FileLock(folder / "mlruns" / ".lock"):  # the store must not be opened while it is being created
        runs_of(folder)
    return any("generator_loss" in run.data.metrics and run.info.status == "RUNNING" for run in runs_of(folder))


# ------------------------------------------------------------------------------------------------------ a sweep


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Run the sweep `-m strategy=tape,compile` of the README, but short. Return its folder, and how it ended."""
    folder = tmp_path_factory.mktemp("sweep")
    options = "steps=50", "cadence.log=5", "cadence.evaluate=25", "evaluator.samples=200"
    ended = finish(start(folder, TRAIN, "-m", "strategy=tape,compile", *options))
    assert ended[0] == 0, ended
    return folder, ended


def test_both_runs_finish_and_are_linked(sweep):
    folder, _ = sweep
    tape, compiled = runs_of(folder)
    assert [run.info.status for run in (tape, compiled)] == ["FINISHED", "FINISHED"]
    assert [run.data.params["strategy"] for run in (tape, compiled)] == ["tape", "compile"]
    assert len({run.data.tags["ganfreeze.folder"] for run in (tape, compiled)}) == 2, "each run has its own folder"
    assert "train.py -m strategy=tape,compile" in tape.data.tags["ganfreeze.command"]
    assert tape.data.tags["ganfreeze.sweep"] == compiled.data.tags["ganfreeze.sweep"]
    assert compiled.info.run_id in tape.data.tags["mlflow.note.content"]
    assert tape.info.run_id in compiled.data.tags["mlflow.note.content"]


def test_the_words_and_the_flattened_config_are_parameters(sweep):
    folder, _ = sweep
    tape, compiled = (run.data.params for run in runs_of(folder))
    words = {
        "keras": "keras2",
        "update": "alternating",
        "architecture": "mlp",
        "freeze": "none",
        "loss": "nonsaturating",
        "regularizer": "none",
        "optimizer": "adam",
        "schedule": "constant",
        "dataset": "digits",
        "evaluator": "classifier",
    }
    assert words.items() <= tape.items()
    options = {
        "seed": "0",
        "steps": "50",
        "optimizer.generator_rate": "0.0002",
        "update.discriminator_steps": "1",
        "update.order": "discriminator_first",
        "update.batches": "joint",
        "audit": "error",
        "eager": "False",
    }
    assert options.items() <= tape.items()
    assert {key for key in tape if tape[key] != compiled[key]} == {"strategy", "execution.fused_steps"}
    assert (tape["execution.jit"], tape["execution.fused_steps"], compiled["execution.fused_steps"]) == (
        "False",
        "5",
        "1",
    )
    assert float(tape["evaluator.test_accuracy"]) >= 0.98


def test_every_metric_has_its_card(sweep):
    folder, _ = sweep
    tape, compiled = (json.loads(run.data.tags["card.classifier"]) for run in runs_of(folder))
    assert tape == compiled
    assert set(FIELDS) <= set(tape)
    assert (tape["samples"], tape["seeds"], tape["split"], tape["ema"]) == (200, [0], "train", "none")
    assert (tape["extractor"], tape["resize"], tape["quantisation"]) == ("classifier", "none", "uint8")
    assert len(tape["weights"]) == 64
    for run in runs_of(folder):
        evaluators = {name.rpartition("/")[0] for name in run.data.metrics if "/" in name}
        assert evaluators == {"classifier", "classifier_glance"}
        glance = json.loads(run.data.tags["card.classifier_glance"])
        cards = [for_metric(card, "fid") for card in (tape, glance)]
        assert protocol_card.differences(cards) == {"samples": [200, 128]}


def test_the_metrics_have_their_whole_history(sweep):
    folder, _ = sweep
    client = client_of(folder)
    for run in runs_of(folder):
        steps = {
            name: [metric.step for metric in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        logged, evaluated, glanced = list(range(5, 51, 5)), [25, 50], list(range(0, 51, 5))
        assert steps == {
            **dict.fromkeys(["discriminator_loss", "generator_loss", "steps_per_second"], logged),
            **dict.fromkeys(["accuracy_real", "accuracy_fake"], logged),
            **dict.fromkeys(["classifier/fid", "classifier/inception_score"], evaluated),
            **dict.fromkeys(["classifier_glance/fid", "classifier_glance/inception_score"], glanced),
            **dict.fromkeys(["generator_weight_change", "discriminator_weight_change"], glanced),
        }
        assert 1 <= run.data.metrics["classifier/inception_score"] <= 10
        assert not any(name.startswith("system/") for name in run.data.metrics)


def test_both_variants_are_the_same_algorithm(sweep):
    """They are equal up to rounding: Keras 2, one seed, and no BatchNormalization in the discriminator."""
    folder, _ = sweep
    client = client_of(folder)
    for name in ("discriminator_loss", "generator_loss", "accuracy_real", "classifier/fid"):
        tape, compiled = (
            [metric.value for metric in client.get_metric_history(run.info.run_id, name)] for run in runs_of(folder)
        )
        assert tape == pytest.approx(compiled, rel=1e-4)


def test_a_run_keeps_its_config_pictures_weights_versions_and_data(sweep):
    folder, _ = sweep
    client = client_of(folder)
    digests = set()
    for run in runs_of(folder):
        assert {"config.yaml", "images", "weights"} <= set(artifacts(client, run))
        assert [len(pictures(client, run, step)) for step in (0, 25, 50)] == [1, 1, 1]
        with Image.open(client.download_artifacts(run.info.run_id, *pictures(client, run, 50))) as grid:
            assert grid.size == (512, 512)
            assert np.asarray(grid).std() > 10, "the picture is not blank"
        weights = {Path(path).name for path in artifacts(client, run, "weights")}
        files = {"generator.weights.h5", "discriminator.weights.h5", "image_shape.json", "checksums.json"}
        assert weights == files
        assert run.data.tags["version.tensorflow"] == "2.21.0"
        assert run.data.tags["ganfreeze.git.dirty"] in ("true", "false")
        assert len(run.data.tags["mlflow.source.git.commit"]) == 40
        (data,) = run.inputs.dataset_inputs
        assert data.dataset.name == "digits"
        assert json.loads(data.dataset.profile)["sha256"].startswith(data.dataset.digest)
        digests.add(data.dataset.digest)
    assert len(digests) == 1


def test_the_terminal_shows_a_table_and_an_address_and_nothing_else(sweep):
    folder, (_, output, errors) = sweep
    runs = runs_of(folder)
    rows = {row[0]: row for line in output.splitlines() if "FINISHED" in line and (row := line.split())}
    assert set(rows) == {"tape", "compile"}
    assert float(rows["tape"][2]) == pytest.approx(runs[0].data.metrics["classifier/fid"], abs=0.1)
    page = "http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey="
    links = rf"^Runs: {re.escape(page)}(\w{{8}})\nCompare: {re.escape(page)}\1&compareRunsMode=CHART$"
    assert re.search(links, output, re.MULTILINE)
    assert f"mlflow server --backend-store-uri sqlite:///{folder}" in output
    assert len(output.splitlines()) < 20, output
    assert not [line for line in errors.splitlines() if not is_progress(line)], "Hydra's log goes to standard output"


def test_samples_come_from_the_recorded_weights(sweep):
    folder, _ = sweep
    client = client_of(folder)
    run = runs_of(folder)[0]
    code, output, errors = programs.run(folder, "sample", f"run={run.info.run_id}", "output=grid.png")
    assert code == 0, errors
    assert "64 samples" in output
    path = client.download_artifacts(run.info.run_id, *pictures(client, run, 50))
    with Image.open(folder / "grid.png") as drawn, Image.open(path) as recorded:
        np.testing.assert_array_equal(np.asarray(drawn), np.asarray(recorded))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "run has no default: set run=..."),
        (["run=xyz"], "run=xyz: must be an MLflow run id, 32 hexadecimal digits"),
        (["run=" + "0" * 32, "mlruns=typo"], "there is no MLflow store at"),
        (["run=" + "0" * 32], "Run with id=" + "0" * 32 + " not found"),
        (["run=" + "0" * 32, "output=grid.txt"], "output=grid.txt: must be a .png, .jpg, .jpeg or .webp file"),
        (["run=" + "0" * 32, "count=0"], "count=0: must be greater than or equal to 1"),
    ],
)
def test_mistakes_in_sampling_give_a_sentence(sweep, arguments, message):
    code, _, errors = programs.run(sweep[0], "sample", *arguments)
    assert code != 0
    assert message in errors
    assert "Traceback" not in errors


def test_a_repeated_run_gives_the_same_bits(sweep, tmp_path):
    folder, _ = sweep
    options = "strategy=tape", "steps=50", "cadence.log=5", "cadence.evaluate=25", "evaluator.samples=200", "audit=off"
    assert programs.run(tmp_path, "train", *options).returncode == 0
    (repeated,), (first, _) = runs_of(tmp_path), runs_of(folder)
    for name in ("discriminator_loss", "generator_loss", "classifier/fid", "generator_weight_change"):
        histories = [
            [metric.value for metric in client_of(store).get_metric_history(run.info.run_id, name)]
            for store, run in ((folder, first), (tmp_path, repeated))
        ]
        assert histories[0] == histories[1], name


def _experiment_of_a_new_store(folder):
    from ganfreeze.record import delivered, mlflow_experiment, store_address

    target = delivered.Target(store_address.tracking_uri(None, str(folder)), "ganfreeze", str(folder))
    return mlflow_experiment.open_experiment(target)[1]


def test_eight_processes_can_create_one_store_at_once(tmp_path):
    context = multiprocessing.get_context("forkserver")
    with context.Pool(8) as pool:
        experiments = pool.map(_experiment_of_a_new_store, [tmp_path / "mlruns"] * 8, chunksize=1)
    assert len(set(experiments)) == 1


@pytest.fixture
def server(tmp_path):
    """Start an MLflow server on this machine, with its own store. Yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(programs.empty_store(), folder / "mlflow.db")
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *store]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    wait_for(lambda: _is_up(address), process.poll)
    yield address
    process.terminate()
    process.wait()


def _is_up(address):
    try:
        return urllib.request.urlopen(f"{address}/health").status == 200
    except OSError:
        return False


def test_a_server_records_what_the_local_store_records(tmp_path, server):
    options = (
        f"tracker.uri={server}",
        "steps=20",
        "cadence.log=10",
        "cadence.glance=null",
        "evaluator=none",
        "audit=off",
        *TINY,
    )
    code, output, errors = programs.run(tmp_path, "train", "-m", "strategy=tape,compile", *options)
    assert code == 0, errors
    assert f"Compare: {server}/#/experiments/" in output
    assert not (tmp_path / "mlruns").exists()
    client = MlflowClient(server)
    (experiment,) = [
        experiment.experiment_id for experiment in client.search_experiments() if experiment.name == "ganfreeze"
    ]
    for run in client.search_runs([experiment]):
        assert run.info.status == "FINISHED"
        assert len(client.get_metric_history(run.info.run_id, "generator_loss")) == 2
        assert {"config.yaml", "images", "weights"} <= set(artifacts(client, run))
    code, _, errors = programs.run(tmp_path, "sample", f"run={run.info.run_id}", f"uri={server}", "count=4")
    assert code == 0, errors
    assert (tmp_path / "samples.png").exists()


def test_jobs_share_the_cores():
    from ganfreeze.backend.job_shares import core_shares

    cores = len(os.sched_getaffinity(0))
    assert core_shares(1) == {}
    assert core_shares(cores + 1)["TF_NUM_INTRAOP_THREADS"] == core_shares(cores + 1)["OMP_NUM_THREADS"] == "1"


def write_nvidia_smi(folder, *gpus):
    """Write a stand-in for NVIDIA's own tool, which lists these GPUs."""
    tool = folder / "nvidia-smi"
    tool.write_text("#!/bin/sh\n" + "".join(f"echo '{gpu}'\n" for gpu in gpus))
    tool.chmod(0o755)


@pytest.mark.parametrize(
    ("visible", "n_jobs", "expected"),
    [
        (None, 1, [("0", None)]),
        (None, 2, [("0", None), ("1", None)]),
        (None, 3, [("0", "36000"), ("1", None), ("0", "36000")]),
        ("1", 2, [("1", "18000"), ("1", "18000")]),
        ("GPU-b", 2, [("GPU-b", "18000"), ("GPU-b", "18000")]),
        ("GPU-unknown", 2, [("GPU-unknown", None), ("GPU-unknown", None)]),
        ("", 2, [(None, None), (None, None)]),
    ],
)
def test_jobs_share_the_gpus(monkeypatch, tmp_path, visible, n_jobs, expected):
    """Each job gets the next GPU. Jobs on one GPU share nine tenths of its memory."""
    from ganfreeze.backend.job_shares import gpu_shares, gpus

    write_nvidia_smi(tmp_path, "0, GPU-a, 80000", "1, GPU-b, 40000")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    shares = gpu_shares(n_jobs, gpus())
    assert [(share.get("CUDA_VISIBLE_DEVICES"), share.get("GANFREEZE_GPU_MEMORY")) for share in shares] == expected


def test_a_gpu_may_not_tell_its_memory(monkeypatch, tmp_path):
    """One that shares the memory of the host does not."""
    from ganfreeze.backend.job_shares import Gpu, gpus

    write_nvidia_smi(tmp_path, "0, GPU-a, [N/A]")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus() == [Gpu("0", None)]


@pytest.mark.parametrize(
    ("code", "said"), [(255, "failed"), (-9, "was ended by SIGKILL"), (143, "was ended by SIGTERM")]
)
def test_a_job_ends_in_words(monkeypatch, tmp_path, capsys, code, said):
    """255 is the code of a job whose fork server was killed."""
    from hydra_plugins import fresh_process_launcher as launchers

    launcher = launchers.FreshProcessLauncher(1)
    monkeypatch.setattr(launcher, "_process", lambda *_: code)
    monkeypatch.setattr(launchers, "folder_of", lambda _: tmp_path / "job")
    monkeypatch.setattr(launchers, "job_name", lambda _: "tape")
    assert launcher.attempt(OmegaConf.create()) is launchers.FAILED
    assert capsys.readouterr().err == f"tape {said}\n"


def test_a_job_on_several_devices_gets_as_many_gpus():
    from ganfreeze.backend.job_shares import Gpu, gpu_shares

    gpus = [Gpu(str(number), 10000) for number in range(4)]
    shares = [[share["CUDA_VISIBLE_DEVICES"] for share in gpu_shares(n_jobs, gpus, 2)] for n_jobs in (1, 2, 3)]
    assert shares == [["0,1"], ["0,1", "2,3"], ["0,1", "2,3", "0,1"]]
    assert [share.get("GANFREEZE_GPU_MEMORY") for share in gpu_shares(3, gpus, 2)] == ["4500", None, "4500"]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in gpu_shares(1, gpus, 8)] == ["0,1,2,3"]


def test_without_gpus_there_is_nothing_to_share(monkeypatch):
    from ganfreeze.backend.job_shares import gpu_shares, gpus

    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_shares(3, gpus()) == [{}, {}, {}]


def test_each_job_has_its_own_process_and_gpu_and_a_fresh_tensorflow(tmp_path):
    """Each job writes a record: its process, its GPU, and whether TensorFlow was initialized before it began."""
    write_nvidia_smi(tmp_path, "0, GPU-a, 80000", "1, GPU-b, 40000")
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    script = (
        "import hydra, os, sys, time; from pathlib import Path\n"
        f"@hydra.main(version_base='1.3', config_path={str(ROOT / 'conf')!r}, config_name='config')\n"
        "def main(cfg):\n"
        "    context = sys.modules['tensorflow.python.eager.context'].context()\n"
        "    record = [os.getpid(), os.environ['CUDA_VISIBLE_DEVICES'], context._initialized]\n"
        "    Path(f'job{cfg.seed}').write_text(repr(record))\n"
        "    while not all(Path(f'job{n}').exists() for n in (0, 1)): time.sleep(0.1)\n"
        "if __name__ == '__main__': main()\n"
    )
    (tmp_path / "program.py").write_text(script)
    arguments = ("-m", "seed=0,1", "hydra.launcher.n_jobs=2", "tracker=none", "hydra.sweep.dir=out")
    code, _, errors = finish(start(tmp_path, tmp_path / "program.py", *arguments, env=environment))
    assert code == 0, errors
    records = [literal_eval((tmp_path / f"job{number}").read_text()) for number in (0, 1)]
    assert records[0][0] != records[1][0]
    assert {gpu for _, gpu, _ in records} == {"0", "1"}
    assert not any(initialized for _, _, initialized in records)


# ----------------------------------------------------------------------------------- failures and interruptions


def test_a_failed_run_ends_no_other_run_and_keeps_its_traceback(tmp_path):
    """Two jobs run at once, on a store that does not exist yet, and one of them diverges."""
    arguments = (
        "-m",
        "hydra.launcher.n_jobs=2",
        "optimizer=sgd",
        "optimizer.discriminator_rate=0.01,1e30",
        "loss=least_squares",
        "evaluator=none",
        "steps=30",
        *TINY,
        "cadence.evaluate=30",
    )
    code, output, errors = programs.run(tmp_path, "train", *arguments)
    assert code != 0
    assert "1 of 2 runs failed" in errors
    runs = {run.data.params["optimizer.discriminator_rate"]: run for run in runs_of(tmp_path)}
    assert {rate: run.info.status for rate, run in runs.items()} == {"0.01": "FINISHED", "1e+30": "FAILED"}
    client = client_of(tmp_path)
    trace = Path(client.download_artifacts(runs["1e+30"].info.run_id, "traceback.txt")).read_text()
    assert "Diverged: " in trace
    assert re.search(r"step \d+: in the (discriminator|generator) phase ", trace)
    assert "cadence.evaluate=30: FAILED: Diverged: step " in errors
    assert "is tried again" not in errors, "it would diverge again"
    rows = [line.split() for line in output.splitlines() if "optimizer.discriminator_rate=" in line][-2:]
    assert {row[0]: row[-1] for row in rows} == {
        f"optimizer.discriminator_rate={rate}": run.info.status for rate, run in runs.items()
    }, "a failed sweep ends with its table too"
    assert "To run this step again" in (next(tmp_path.glob("outputs/sweeps/*/1/output.log"))).read_text()


def processes_in(folder):
    """Return the processes that run in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += [process] if Path(process.cwd()) == folder else []
    return found


def test_a_mistake_in_a_sweep_ends_the_process_that_imports_for_its_jobs(tmp_path):
    command = [sys.executable, TRAIN, "-m", "steps=5,0"]
    assert subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 1
    assert processes_in(tmp_path) == []


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_recorded_as_killed(tmp_path, signal_number):
    program = programs.Program(programs.with_store(tmp_path), "train", *ENDLESS)
    wait_for(lambda: is_training(tmp_path), program.is_over)
    program.send(signal_number)
    code, _, errors = program.end()
    assert code == 128 + signal_number
    assert "interrupted" in errors
    assert "Traceback" not in errors
    (run,) = runs_of(tmp_path)
    assert run.info.status == "KILLED"
    assert run.info.end_time is not None


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_ends_its_jobs_and_starts_no_more(tmp_path, signal_number):
    script = tmp_path / "ignoring.py"
    script.write_text(IGNORING_SIGINT)
    program = programs.Program(programs.with_store(tmp_path), script, "-m", "seed=0,1,2", *ENDLESS)
    wait_for(lambda: is_training(tmp_path), program.is_over)
    program.send(signal_number)
    code, output, errors = program.end()
    assert code == 128 + signal_number
    assert "sweep interrupted" in errors
    assert "seed=0" in errors
    assert "was ended by SIGTERM" in errors
    assert "Traceback" not in errors
    (run,) = runs_of(tmp_path)
    assert run.info.status == "KILLED"
    assert "KILLED" in output


def test_the_next_run_ends_a_run_whose_process_died(tmp_path):
    program = programs.Program(programs.with_store(tmp_path), "train", *ENDLESS)
    wait_for(lambda: is_training(tmp_path), program.is_over)
    program.send(signal.SIGKILL)
    assert program.end().returncode == -signal.SIGKILL
    assert [run.info.status for run in runs_of(tmp_path)] == ["RUNNING"]
    assert programs.run(tmp_path, "train", "evaluator=none", "steps=5", *TINY).returncode == 0
    assert [run.info.status for run in runs_of(tmp_path)] == ["KILLED", "FINISHED"]


@pytest.mark.parametrize("word", ["none", "null"])
def test_the_tracker_none_writes_nothing(tmp_path, word):
    """Its old name was `null`."""
    code, output, errors = programs.run(tmp_path, "train", f"tracker={word}", "evaluator=none", "steps=5")
    assert code == 0, errors
    chosen, closing = output.splitlines()
    how = "execution.jit=false execution.fused_steps=50 judge=training; too few steps to measure others"
    assert chosen == f"tape mlp digits evaluator=none steps=5: {how}"
    assert closing.startswith("tape mlp digits evaluator=none steps=5: 5 steps")
    assert not (tmp_path / "mlruns").exists()
