"""Make the pictures of README from recorded runs: python docs/pictures.py SWEEP_RUN SAMPLES_RUN...

SWEEP_RUN is any run of a sweep: the picture docs/pictures/compare.png shows the sweep's charts in MLflow. Each
SAMPLES_RUN gives a grid of samples, docs/pictures/samples-N.png. The store is mlruns/, or the folder GANFREEZE_MLRUNS.
This program needs `pip install -e '.[docs]'`, and a Chromium on the path.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import sync_playwright

from ganfreeze.record import mlflow_client

PICTURES = Path(__file__).parent / "pictures"
ADDRESS = "http://127.0.0.1:5999"


def main(sweep_run: str, *samples_runs: str) -> None:
    """Draw the samples of the runs, then take the picture of the sweep's charts from a MLflow server."""
    for number, run_id in enumerate(samples_runs, 1):
        output = PICTURES / f"samples-{number}.png"
        subprocess.run([sys.executable, "src/sample.py", f"run={run_id}", f"output={output}"], check=True)
    uri = mlflow_client.tracking_uri(None, os.environ.get("GANFREEZE_MLRUNS", "mlruns"))
    run = mlflow_client.client(uri).get_run(sweep_run)
    search_filter = quote(f"tags.`{mlflow_client.SWEEP_TAG}` = '{run.data.tags[mlflow_client.SWEEP_TAG]}'")
    page = f"#/experiments/{run.info.experiment_id}/runs?compareRunsMode=CHART&searchFilter={search_filter}"
    server = subprocess.Popen(["mlflow", "server", "--backend-store-uri", uri, "--port", ADDRESS.rpartition(":")[2]])
    try:
        _wait()
        _take_picture(f"{ADDRESS}/{page}", PICTURES / "compare.png")
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


def _take_picture(address: str, path: Path) -> None:
    """Write a picture of the page at this address."""
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=quiet)
        tab = browser.new_page(viewport={"width": 1300, "height": 1150})
        tab.goto(address)
        tab.get_by_text("matching runs").wait_for()
        tab.get_by_role("button", name="Close", exact=True).click()  # closes MLflow's assistant
        tab.wait_for_timeout(5000)  # the charts appear after the text
        tab.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
