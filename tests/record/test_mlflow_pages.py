"""MLflow's own pages, as a browser shows them, on the store of a short sweep; and the generator that it keeps."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow.artifacts
import numpy as np
import programs
import pytest
from conftest import TINY
from mlflow import MlflowClient

from ganfreeze.record import mlflow_client, store_address

CHROMIUM = shutil.which("chromium")
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
STEPS = 100
PATIENCE = 90_000  # milliseconds


class Store:
    """The store of a sweep `strategy=tape,compile seed=0,1`: its address, its runs, and what the sweep printed."""

    def __init__(self, folder):
        options = f"steps={STEPS}", "cadence.log=50", "evaluator.samples=200", *TINY
        programs.with_store(folder)
        ended = programs.run(folder, "train", "-m", "strategy=tape,compile", "seed=0,1", *options)
        assert ended.returncode == 0, ended
        assert sorted(path.name for path in folder.iterdir()) == ["mlruns", "outputs"], "nothing else was written to"
        self.output = ended.stdout
        self.uri = store_address.tracking_uri(None, str(folder / "mlruns"))
        self.client = MlflowClient(self.uri)
        self.runs = self.client.search_runs(["1"], order_by=["attributes.start_time ASC"])

    def link(self, word):
        """Return the address that the sweep printed after a word, without the server."""
        (address,) = re.findall(rf"^{word}: http://127\.0\.0\.1:5000/(#\S+)$", self.output, re.MULTILINE)
        return address

    def model_of(self, run):
        """Return a local copy of the model of a run."""
        (output,) = run.outputs.model_outputs
        location = self.client.get_logged_model(output.model_id).artifact_location
        return Path(mlflow.artifacts.download_artifacts(location))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Train the sweep; return its store."""
    return Store(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def show(store, tmp_path_factory):
    """Return a function that opens a page of MLflow's server at an address, waits for a text, and returns the page."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--backend-store-uri", store.uri, "--port", str(port), "--workers", "1"]
    log = (tmp_path_factory.mktemp("server") / "log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *arguments],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        _wait_until_up(server, port)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)

            def open_page(address, text):
                page = browser.new_page(viewport={"width": 1600, "height": 2400})
                page.goto(f"http://127.0.0.1:{port}/{address}", wait_until="commit")
                page.get_by_text(text, exact=True).first.wait_for(timeout=PATIENCE)
                return page

            yield open_page
            browser.close()
    finally:
        os.killpg(server.pid, 9)
        server.wait()
        log.close()


def _wait_until_up(server, port):
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
            return
        except OSError:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.3)


def lines_of(page):
    return [line.strip() for line in page.inner_text("body").splitlines() if line.strip()]


NAMES = ["tape seed=0", "tape seed=1", "compile seed=0", "compile seed=1"]


def test_a_run_is_called_by_what_differs_in_the_sweep(store):
    assert [run.info.run_name for run in store.runs] == NAMES


def test_the_list_of_runs_shows_what_differs_and_fid_and_the_audit(store, show):
    page = show(store.link("Runs"), "compile seed=1")
    page.get_by_text("state leaks").nth(3).wait_for(timeout=PATIENCE)
    lines = lines_of(page)
    assert {"strategy", "seed", "classifier/fid", "classifier/inception_score", "audit", *NAMES} <= set(lines)
    assert not {"Dataset", "Source", "Models"} & set(lines)
    for run in store.runs:
        assert str(run.data.metrics["classifier/fid"]) in lines
    assert "4 matching runs" in " ".join(lines)


def test_the_charts_begin_with_curves_of_ten_points_or_more(store, show):
    for run in store.runs:
        for name in ("classifier_glance/fid", "classifier_glance/inception_score", "discriminator_weight_change"):
            history = store.client.get_metric_history(run.info.run_id, name)
            assert sorted(each.step for each in history) == list(range(0, STEPS + 1, 10))
    page = show(store.link("Compare"), "curves")
    page.get_by_text("compile seed=1 (classifier_glance/fid)").wait_for(timeout=PATIENCE)
    lines = lines_of(page)
    assert lines.index("curves") < lines.index("samples") < lines.index("Model metrics") < lines.index("classifier")
    assert "System metrics" not in lines
    assert lines.index("curves") < lines.index("classifier_glance/fid") < lines.index("samples")
    for name in NAMES:
        assert f"{name} (classifier_glance/fid)" in lines


def test_the_pictures_are_the_last_ones_and_a_slider_leads_to_the_others(store, show):
    page = show(store.link("Compare"), "samples")
    slider = page.get_by_role("slider").first
    slider.wait_for(timeout=PATIENCE)
    assert (slider.get_attribute("aria-valuenow"), slider.get_attribute("aria-valuemax")) == (str(STEPS), str(STEPS))
    page.locator(f"img[src*='step%2B{STEPS}%2B']").nth(3).wait_for(timeout=PATIENCE)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.locator(f"img[src*='step%2B{STEPS - 10}%2B']").nth(3).wait_for(timeout=PATIENCE)
    for run in store.runs:
        images = store.client.list_artifacts(run.info.run_id, "images")
        steps = {int(re.findall(r"samples\+step\+(\d+)\+", image.path)[0]) for image in images}
        assert steps == set(range(0, STEPS + 1, 10))


def test_the_compare_page_opens_on_what_differs_and_on_fid(store, show):
    (address,) = re.findall(r"\((#/compare-runs\S+)\)", store.runs[0].data.tags["mlflow.note.content"])
    lines = lines_of(show(address, "Parallel Coordinates Plot"))
    assert lines[lines.index("Metrics:") + 1] == "classifier_glance/fid"
    assert {"seed", "strategy"} <= set(lines[lines.index("Parameters:") + 1 : lines.index("Metrics:")])


def test_the_page_of_a_run_shows_its_model(store, show):
    run = store.runs[0]
    page = show(f"#/experiments/1/runs/{run.info.run_id}", "Logged models (1)")
    assert "generator" in lines_of(page)


# ------------------------------------------------------------------------------------------------- the generator

LOADING = """
import sys, mlflow, numpy
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
latent = numpy.load(sys.argv[3])
numpy.save(sys.argv[4], model.predict(latent))
example = model.predict(model.input_example)
assert example.shape == (4, 8, 8, 1), example.shape
assert not {"ganfreeze", "tf_keras"} & set(sys.modules), "it needs neither"
"""


def test_the_generator_samples_in_another_process_what_the_weights_sample(store, tmp_path):
    """`src/sample.py` makes the same samples from the weights, by the same latent vectors."""
    from ganfreeze.data.streams import sample_noise

    run = store.runs[-1]
    latent = sample_noise(7, 64, 100, "normal")
    np.save(tmp_path / "latent.npy", latent)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    arguments = [
        store.uri,
        f"runs:/{run.info.run_id}/generator",
        str(tmp_path / "latent.npy"),
        str(tmp_path / "samples.npy"),
    ]
    loaded = subprocess.run(
        [sys.executable, "-c", LOADING, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert loaded.returncode == 0, loaded.stderr
    samples = np.load(tmp_path / "samples.npy")
    assert (samples.dtype, samples.shape) == (np.uint8, (64, 8, 8, 1))
    assert (store.model_of(run) / "tf2model" / "saved_model.pb").exists()
    weights = mlflow_client.artifacts(store.uri, run.info.run_id, "weights")
    np.testing.assert_array_equal(samples, _samples_of(weights, latent))


def _samples_of(weights, latent):
    from ganfreeze.backend.keras import keras2
    from ganfreeze.evaluation.sampler import Sampler
    from ganfreeze.gan.architecture.mlp import Mlp
    from ganfreeze.record import final_weights

    networks = Mlp(generator_units=(16,), discriminator_units=(16,)).build(
        keras=keras2.load(), example_shape=(8, 8, 1), random=np.random.default_rng(0)
    )
    final_weights.restore(networks, weights)
    return Sampler(networks.generator, "normal")(latent)


def test_the_model_says_what_it_takes_and_gives(store):
    from mlflow.models import Model

    run = store.runs[0]
    (output,) = run.outputs.model_outputs
    assert output.step == STEPS
    logged = store.client.get_logged_model(output.model_id)
    assert (logged.name, logged.source_run_id, logged.status.value) == ("generator", run.info.run_id, "READY")
    described = Model.load(str(store.model_of(run)))
    assert described.signature is not None
    assert [str(each) for each in described.signature.inputs] == ["Tensor('float32', (-1, 100))"]
    assert [str(each) for each in described.signature.outputs] == ["Tensor('uint8', (-1, 8, 8, 1))"]
    assert {"tensorflow", "python_function"} <= set(described.flavors)
