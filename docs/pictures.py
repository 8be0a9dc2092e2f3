"""Make the pictures of the pages from recorded runs: python docs/pictures.py SWEEP_RUN SAMPLES_RUN...

SWEEP_RUN is any run of a sweep: docs/pictures/mlflow-runs.png, -charts.png and -samples.png show what MLflow shows of
it. Each SAMPLES_RUN gives a grid of samples, docs/pictures/samples-N.png. The store is mlruns/, or the folder
GANFREEZE_MLRUNS. This program needs `pip install -e '.[dev]'`, and a Chromium on the path.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ganfreeze.record import mlflow_client, mlflow_views, store_address

PICTURES = Path(__file__).parent / "pictures"
ADDRESS = "http://127.0.0.1:5999"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def main(sweep_run: str, *samples_runs: str) -> None:
    """Draw the samples of the runs, then take the pictures of the sweep's pages from a MLflow server."""
    for number, run_id in enumerate(samples_runs, 1):
        output = PICTURES / f"samples-{number}.png"
        subprocess.run([sys.executable, "src/sample.py", f"run={run_id}", f"output={output}"], check=True)
    uri = store_address.tracking_uri(None, os.environ.get("GANFREEZE_MLRUNS", "mlruns"))
    client = mlflow_client.client(uri)
    run = client.get_run(sweep_run)
    page = mlflow_views.share(client, run.info.experiment_id, run.data.tags[mlflow_client.SWEEP_TAG])
    server = subprocess.Popen(["mlflow", "server", "--backend-store-uri", uri, "--port", ADDRESS.rpartition(":")[2]])
    try:
        _wait()
        _take_pictures(f"{ADDRESS}/{page}")
    finally:
        server.terminate()
        server.wait()


def _wait() -> None:
    """Wait for the MLflow server to answer, a minute at most."""
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{ADDRESS}/health")
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(f"the MLflow server at {ADDRESS} did not start within a minute")


def _take_pictures(address: str) -> None:
    """Take pictures of the list of runs, of the first charts and of the samples below them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        tab = browser.new_page(viewport={"width": 1300, "height": 700})
        _open(tab, address)
        _take(tab, "runs", height=480)
        tab.set_viewport_size({"width": 1300, "height": 2300})
        _open(tab, f"{address}&compareRunsMode=CHART")
        _take(tab, "charts", height=740)
        section = tab.get_by_text("samples", exact=True).first.bounding_box()
        assert section, "the charts have no section of samples"
        _take(tab, "samples", top=section["y"] - 20, height=420)
        browser.close()


def _open(tab: Page, address: str) -> None:
    tab.goto("about:blank")  # an address that differs after the # only would not load the page again
    tab.goto(address, wait_until="commit")
    tab.get_by_text("matching runs").wait_for()
    for button in tab.get_by_role("button", name="Close", exact=True).all():  # MLflow's assistant and its notice
        button.click()
    tab.wait_for_timeout(5000)  # the charts appear after the text


def _take(tab: Page, name: str, *, height: int, top: float = 0) -> None:
    """Write a part of the page as a picture of 256 colours, which takes a third of the space."""
    path = PICTURES / f"mlflow-{name}.png"
    tab.screenshot(path=path, clip={"x": 0, "y": top, "width": 1300, "height": height})
    with Image.open(path) as image:
        image.convert("RGB").quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
