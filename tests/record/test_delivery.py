"""MLflow under fire: whatever happens to the store, nothing is lost, nothing is there twice, and training goes on."""

import json
import multiprocessing
import random
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import programs
import pytest
from mlflow import MlflowClient
from servers import Server, started_postgres

from ganfreeze import events
from ganfreeze.data.dataset.base import Dataset, Split
from ganfreeze.record import journal, mlflow_client, mlflow_experiment, run_folder, store_address
from ganfreeze.record.delivered import Target
from ganfreeze.record.mlflow_delivery import Delivery
from ganfreeze.record.mlflow_recorder import MlflowRecorder

STEPS = 40
IMAGES = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8, 1)
DATA = Dataset("data", Split(IMAGES, None), Split(IMAGES, None), digest="ab" * 32, source="here")
LONG = 120.0  # seconds: more than any of these stores takes


def described(name):
    parameters = {f"parameter_{number}": number for number in range(150)}
    return events.Described(parameters, "steps: 40\n", {"mlflow.runName": name, "tag": "x"}, {"python": "3"}, DATA)


def record(folder, uri, name, *, patience=LONG, pause=0.0, during=lambda step: None):
    """Record a run of 40 steps with all kinds of records, in the folder `folder`; `during` is called at each step."""
    own = run_folder.create(folder, "0" * 16, name=name, owner="", identity={})
    store = str(folder / "mlruns")
    recorder = MlflowRecorder(own.path, Target(uri or store_address.tracking_uri(None, store), "fire", store), patience)
    with own, recorder:
        recorder.write(described(name))
        recorder.write(events.Audited({"audit": "clean"}, {"violations": []}, "a table"))
        for step in range(1, STEPS + 1):
            during(step)
            time.sleep(pause)
            recorder.write(events.Measured(step, {"loss": 1 / step, "other": float("nan") if step == 3 else step}))
        recorder.write(events.Sampled(STEPS, "samples", IMAGES))
        weights = own.path / "weights"
        weights.mkdir()
        with h5py.File(weights / "generator.weights.h5", "w") as file:
            file["weight"] = IMAGES
        recorder.write(events.Saved(STEPS, weights))
        model = own.path / "files" / "generator"
        model.mkdir(parents=True)
        (model / "MLmodel").write_text("flavors: {}\n")
        recorder._journal.add("model", path="files/generator", name="generator", step=STEPS)
    return own.path


def require_complete(uri, name):
    """Check that the store has one run of this name, with everything, once."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("fire")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")
    assert run.info.status == "FINISHED"
    assert {f"parameter_{number}": str(number) for number in range(150)}.items() <= run.data.params.items()
    digest = sha256(IMAGES.tobytes()).hexdigest()
    tags = {"tag": "x", "version.python": "3", "audit": "clean", "weights.sha256": digest}
    assert tags.items() <= run.data.tags.items()
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in ("loss", "other")}
    assert sorted((each.step, each.value) for each in histories["loss"]) == [(n, 1 / n) for n in range(1, STEPS + 1)]
    assert sorted(each.step for each in histories["other"]) == list(range(1, STEPS + 1))
    files = {path: [file.path for file in client.list_artifacts(run.info.run_id, path)] for path in ("images", None)}
    assert len(files["images"]) == 2, "a picture and its thumbnail"
    assert {"audit.json", "audit.txt", "config.yaml", "weights"} <= set(files[None])
    assert [file.path for file in client.list_artifacts(run.info.run_id, "weights")] == ["weights/generator.weights.h5"]
    (output,) = run.outputs.model_outputs
    (model,) = client.search_logged_models([experiment.experiment_id], f"source_run_id = '{run.info.run_id}'")
    assert (output.model_id, model.name, str(model.status)) == (model.model_id, "generator", "READY")
    (data,) = run.inputs.dataset_inputs
    assert json.loads(data.dataset.profile) == {"train": 4, "test": 4, "sha256": "ab" * 32}


def undelivered(folder):
    """Return how many records of the journal in `folder` no store has."""
    file = folder / "delivered.json"
    done = max((n for _, n in json.loads(file.read_text()).values()), default=0) if file.exists() else 0
    return sum(each["n"] > done for each in journal.read(folder / "journal"))


# ---------------------------------------------------------------------------------------------------- local stores


def test_a_local_store_gets_everything(tmp_path):
    path = record(tmp_path, None, "a run")
    require_complete(store_address.tracking_uri(None, str(tmp_path / "mlruns")), "a run")
    assert undelivered(path) == 0


@pytest.mark.parametrize("name", ["a%20b", "a?b", "a#b", "a b", "a;b&c=d", "ü'\"", "100%", "a+b", "%3F"])
def test_a_store_may_be_in_a_folder_of_any_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    record(folder, None, "a run")
    assert (folder / "mlruns" / "mlflow.db").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [name], "nothing went to another folder"
    require_complete(store_address.tracking_uri(None, str(folder / "mlruns")), "a run")


@contextmanager
def locked(file, seconds):
    """Hold SQLite's lock of a file for some seconds, from another process."""
    script = (
        "import sqlite3, sys, time\n"
        f"connection = sqlite3.connect({str(file)!r}, isolation_level=None)\n"
        "connection.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        f"time.sleep({seconds})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    yield
    process.wait()


def _test_locked(tmp_path, seconds):
    record(programs.with_store(tmp_path), None, "before")
    began = time.monotonic()
    times = []
    with locked(tmp_path / "mlruns" / "mlflow.db", seconds):
        record(tmp_path, None, "locked", during=lambda step: times.append(time.monotonic() - began))
    assert times[-1] - times[0] < 5, "training did not wait for the store"
    require_complete(store_address.tracking_uri(None, str(tmp_path / "mlruns")), "locked")


def test_a_store_that_somebody_else_locks_gets_everything_afterwards(tmp_path):
    _test_locked(tmp_path, 15)


@pytest.mark.slow
def test_a_store_that_is_locked_for_a_minute_gets_everything_afterwards(tmp_path):
    _test_locked(tmp_path, 65)


def test_a_read_only_store_stops_nothing_and_the_records_can_be_delivered_elsewhere(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MLflow takes such an address for a path too, and makes a folder `file:` here
    record(programs.with_store(tmp_path), None, "before")
    path = record(tmp_path, f"sqlite:///file:{tmp_path}/mlruns/mlflow.db?mode=ro&uri=true", "read-only", patience=1.0)
    assert "did not reach MLflow: " in capsys.readouterr().err
    assert undelivered(path) > 40
    ended = programs.run(tmp_path, "sync", f"state={tmp_path}", f"uri=sqlite:///{tmp_path}/elsewhere.db")
    assert ended.returncode == 0, ended.stderr
    require_complete(f"sqlite:///{tmp_path}/elsewhere.db", "read-only")


def test_a_deleted_experiment_is_a_mistake(tmp_path):
    record(programs.with_store(tmp_path), None, "a run")
    client = MlflowClient(store_address.tracking_uri(None, str(tmp_path / "mlruns")))
    experiment = client.get_experiment_by_name("fire")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(ValueError, match=r"tracker\.experiment=fire was deleted: restore it, or choose another name"):
        record(tmp_path, None, "another")


def test_a_damaged_journal_delivers_what_is_whole(tmp_path, capsys):
    path = record(tmp_path, "http://127.0.0.1:9", "damaged", patience=0.1)
    assert "did not reach MLflow" in capsys.readouterr().err
    lines = (path / "journal").read_bytes().splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if b'"step":7,' in line)
    (path / "journal").write_bytes(b"".join([*lines[:place], lines[place][:20] + b"\n", *lines[place + 1 :]]))
    uri = f"sqlite:///{tmp_path}/elsewhere.db"
    ended = programs.run(tmp_path, "sync", f"state={tmp_path}", f"uri={uri}")
    assert ended.returncode == 0, ended.stderr
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("fire")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    steps = [each.step for each in client.get_metric_history(run.info.run_id, "loss")]
    assert sorted(steps) == [step for step in range(1, STEPS + 1) if step != 7]


def test_a_run_that_ends_before_it_is_described_leaves_no_record_and_begins_later(tmp_path):
    own = run_folder.create(tmp_path, "0" * 16, name="early", owner="", identity={})
    own.release()
    uri = store_address.tracking_uri(None, str(tmp_path / "mlruns"))
    began = time.monotonic()
    recorder = MlflowRecorder(own.path, Target(uri, "fire", ""), LONG)
    with pytest.raises(KeyboardInterrupt), run_folder.RunFolder(own.path), recorder:
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30
    with run_folder.RunFolder(own.path), MlflowRecorder(own.path, Target(uri, "fire", ""), LONG) as again:
        again.write(described("early"))
    assert _status(uri, "early") == "FINISHED"


def test_a_run_that_goes_on_elsewhere_says_so(tmp_path, caplog):
    """The second process has another commit and more threads. The record of the first one stays."""
    own = run_folder.create(tmp_path, "0" * 16, name="moved", owner="", identity={})
    own.release()
    uri = store_address.tracking_uri(None, str(programs.with_store(tmp_path) / "mlruns"))
    for commit, threads in (("a", "1"), ("a", "1"), ("b", "2")):
        tags = {"mlflow.runName": "moved", "mlflow.source.git.commit": commit, "machine.threads": threads, "x": threads}
        with run_folder.RunFolder(own.path), MlflowRecorder(own.path, Target(uri, "fire", ""), LONG) as recorder:
            recorder.write(events.Described({}, "", tags, {}, DATA))
    expected = "mlflow.source.git.commit was a, and is b; machine.threads was 1, and is 2"
    assert [each.getMessage() for each in caplog.records if "goes on" in each.getMessage()] == [
        f"warning: the run goes on, but not as it was: {expected}"
    ]
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("fire")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.tags["ganfreeze.changed"] == expected


# --------------------------------------------------------------------------------------------------------- servers


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Start a server; yield it."""
    started = Server(tmp_path_factory.mktemp("server"))
    started.start()
    yield started
    started.kill()


def test_a_server_gets_everything(tmp_path, server):
    record(tmp_path, server.uri, "a run")
    require_complete(server.uri, "a run")


def test_a_server_that_is_down_and_comes_back_and_goes_again_gets_everything(tmp_path, capsys):
    """It is down at the start, comes back during training, is killed twice, and is down at the end."""
    server = Server(tmp_path / "server")
    changes = {8: server.start, 16: server.kill, 20: server.start, 32: server.kill}
    path = record(
        tmp_path, server.uri, "fire", patience=0.5, pause=0.3, during=lambda step: changes.get(step, lambda: None)()
    )
    errors = capsys.readouterr().err
    assert "did not reach MLflow: ConnectionRefusedError" in errors
    assert f"To deliver them later: python src/sync.py state={tmp_path}\n" in errors
    ended = programs.run(tmp_path, "sync", f"state={tmp_path}")
    assert ended.returncode == 1
    assert f"{path}: not delivered: " in ended.stdout
    server.start()
    ended = programs.run(tmp_path, "sync", f"state={tmp_path}")
    assert (ended.returncode, " records delivered" in ended.stdout) == (0, True), ended
    require_complete(server.uri, "fire")
    ended = programs.run(tmp_path, "sync", f"state={tmp_path}")
    assert ended.stdout.strip() == f"{tmp_path}: everything has reached MLflow"
    server.kill()


class Trouble(BaseHTTPRequestHandler):
    """A proxy of a server that answers 500 instead of asking it, or after asking it, or too late."""

    server_address: tuple
    chance = random.Random(0)
    counts: dict[str, int] = {}  # noqa: RUF012

    def _answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else None
        trouble = self.chance.choices(["none", "500", "500 after", "late"], [6, 2, 2, 1])[0]
        self.counts[trouble] = self.counts.get(trouble, 0) + 1
        if trouble == "500":
            self._send(500, b"{}", {})
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        request = urllib.request.Request(self.server.target + self.path, body, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, content, answered = response.status, response.read(), dict(response.headers)
        except urllib.error.HTTPError as error:
            status, content, answered = error.code, error.read(), dict(error.headers)
        if trouble == "late":
            time.sleep(1.5)
        if trouble == "500 after":
            status, content = 500, b"{}"
        self._send(status, content, answered)

    def _send(self, status, content, headers):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815

    def log_message(self, *_):
        pass


def test_a_server_that_fails_and_is_slow_gets_everything_once(tmp_path, server, monkeypatch):
    """Requests fail before and after they are carried out, so what arrived is sent again."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr("ganfreeze.record.courier._RETRY", (0.1, 0.1))
    monkeypatch.setattr("ganfreeze.record.courier._GATHER", 0.2)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Trouble)
    proxy.target = server.uri  # pyright: ignore[reportAttributeAccessIssue]
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    began = time.monotonic()
    times = []
    record(
        tmp_path,
        f"http://127.0.0.1:{proxy.server_address[1]}",
        "trouble",
        pause=0.05,
        during=lambda step: times.append(time.monotonic() - began),
    )
    proxy.shutdown()
    assert times[-1] - times[0] < 20, "training did not wait for the server"
    assert all(Trouble.counts[kind] for kind in ("500", "500 after", "late")), Trouble.counts
    require_complete(server.uri, "trouble")


# ------------------------------------------------------------------------------------------------------ PostgreSQL


@pytest.fixture
def postgres():
    """Start a PostgreSQL; yield the store's address."""
    with started_postgres() as store:
        yield store


def _write_a_run(arguments):
    folder, uri, name = arguments
    folder.mkdir()
    record(folder, uri, name, pause=0.02)


def test_eight_writers_to_a_server_over_postgres_lose_nothing_and_double_nothing(tmp_path, postgres):
    server = Server(tmp_path / "server", postgres)
    server.start()
    names = [f"writer {number}" for number in range(8)]
    with multiprocessing.get_context("forkserver").Pool(8) as pool:
        pool.map(_write_a_run, [(tmp_path / name, server.uri, name) for name in names], chunksize=1)
    for name in names:
        require_complete(server.uri, name)
    (experiment,) = [each for each in MlflowClient(server.uri).search_experiments() if each.name == "fire"]
    assert len(MlflowClient(server.uri).search_runs([experiment.experiment_id])) == 8
    server.kill()


def test_runs_that_begin_at_once_find_what_the_others_made(tmp_path, postgres):
    """PostgreSQL refuses all but the first of those that add the same experiment or data set at the same moment."""
    mlflow_client.library().MlflowClient(postgres).search_experiments()  # the tables, before eight make them at once
    runs, rounds = 8, 5
    barrier = threading.Barrier(runs)

    def begin(number):
        refused = []
        for attempt in range(rounds):
            folder = tmp_path / f"{attempt}-{number}"
            folder.mkdir()
            delivery = Delivery(folder, Target(postgres, f"round {attempt}", str(folder)))
            dataset = {"name": "data", "sha256": f"{attempt}" * 64, "source": "here", "train": 1, "test": 1}
            dataset |= {"image_shape": [8, 8, 1], "classes": 10}
            record = {"n": 1, "kind": "begin", "time": 0, "id": f"{attempt}-{number}", "name": "", "dataset": dataset}
            barrier.wait(60)
            refused += delivery.send([record])
        return refused

    with ThreadPoolExecutor(runs) as pool:
        assert list(pool.map(begin, range(runs))) == [[]] * runs
    client = MlflowClient(postgres)
    for attempt in range(rounds):
        experiment = client.get_experiment_by_name(f"round {attempt}")
        assert experiment is not None
        found = client.search_runs([experiment.experiment_id])
        assert [len(run.inputs.dataset_inputs) for run in found] == [1] * runs


# ------------------------------------------------------------------------------------------------------- dead runs


def _die(folder, uri, pipe):
    record(folder, uri, "dead", during=lambda step: (pipe.send(step), time.sleep(100)) if step == 20 else None)


def _status(uri, name):
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("fire")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")[0].info.status


def test_a_run_beats_and_runs_again_if_it_was_taken_for_dead(tmp_path, monkeypatch):
    """Another start may have marked it KILLED, because the store got no heartbeat for long."""
    monkeypatch.setattr("ganfreeze.record.courier._BEAT", 0.2)
    monkeypatch.setattr("ganfreeze.record.courier._GATHER", 0.1)
    shutil.copy(programs.empty_store(), tmp_path / "mlflow.db")
    client, seen = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db"), []

    def look(step):
        experiment = client.get_experiment_by_name("fire")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id])
        seen.append((run.info.status, float(run.data.tags.get("ganfreeze.heartbeat", 0))))
        if step == 20:
            client.set_terminated(run.info.run_id, "KILLED")

    record(
        tmp_path, f"sqlite:///{tmp_path}/mlflow.db", "alive", pause=0.1, during=lambda s: look(s) if s > 15 else None
    )
    beats = [beat for _, beat in seen if beat]
    assert beats == sorted(beats)
    assert beats[-1] > beats[0]
    assert abs(beats[-1] - time.time()) < 30
    assert seen[-1][0] == "RUNNING"
    assert _status(f"sqlite:///{tmp_path}/mlflow.db", "alive") == "FINISHED"


@pytest.mark.parametrize("moved", [False, True])
def test_the_next_start_marks_a_dead_run_as_killed(tmp_path, moved, monkeypatch):
    """Its folder tells that it is dead; or, if it is on another machine, that its heart has not beaten for long."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    shutil.copy(programs.empty_store(), tmp_path / "mlflow.db")
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe()
    process = context.Process(target=_die, args=(tmp_path / "dead", uri, there))
    (tmp_path / "dead").mkdir()
    process.start()
    here.recv()
    deadline = time.monotonic() + 60
    while not any((path / "delivered.json").exists() for path in run_folder.folders(tmp_path / "dead")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    record(tmp_path, uri, "while it lives")
    assert _status(uri, "dead") == "RUNNING"
    process.kill()
    process.join()
    if moved:
        (tmp_path / "dead").rename(tmp_path / "elsewhere")
        record(tmp_path, uri, "a moment later")
        assert _status(uri, "dead") == "RUNNING", "its heart beat a moment ago"
        monkeypatch.setattr("ganfreeze.record.mlflow_experiment._DEAD_AFTER", 0.0)
    record(tmp_path, uri, "much later")
    assert _status(uri, "dead") == "KILLED"


@pytest.mark.parametrize("status", ["FINISHED", "KILLED"])
def test_a_run_that_ends_while_it_is_looked_at_keeps_its_status(tmp_path, monkeypatch, status):
    """Its end arrives after it was found as running, and before its folder is found free. A dead one has no end."""
    shutil.copy(programs.empty_store(), tmp_path / "mlflow.db")
    client, experiment = mlflow_experiment.open_experiment(
        Target(f"sqlite:///{tmp_path}/mlflow.db", "ganfreeze", str(tmp_path))
    )
    run = client.create_run(experiment, tags={mlflow_experiment.ID_TAG: "1"}).info.run_id

    def is_dead(*_, **__):
        if status == "FINISHED":
            client.set_terminated(run, status)
        return True

    monkeypatch.setattr(mlflow_experiment, "_is_dead", is_dead)
    mlflow_experiment.end_dead_runs(client, experiment)
    assert client.get_run(run).info.status == status
