"""Servers that tests start on this machine: MLflow's, and a PostgreSQL for its store."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import programs
import pytest


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """An MLflow server on this machine that can be started and killed, over a store that stays."""

    def __init__(self, folder, store=None):
        self.port, self._process = free_port(), None
        self.uri = f"http://127.0.0.1:{self.port}"
        folder.mkdir(exist_ok=True)
        self._log = folder / "server.log"
        if store is None:
            shutil.copy(programs.empty_store(), folder / "mlflow.db")
        backend = store or f"sqlite:///{folder}/mlflow.db"
        arguments = ["--backend-store-uri", backend, "--artifacts-destination", str(folder / "files")]
        self._command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--port",
            str(self.port),
            "--workers",
            "1",
            *arguments,
        ]

    def start(self):
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 120
        while not self._is_up():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.2)

    def kill(self):
        if self._process:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None

    def _is_up(self):
        try:
            return urllib.request.urlopen(f"{self.uri}/health", timeout=5).status == 200
        except OSError:
            return False


def postgres_programs():
    """Return the folder with PostgreSQL's programs: Debian keeps it out of PATH."""
    folders = [Path(found).parent for found in [shutil.which("initdb")] if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder.resolve() for folder in folders if (folder / "pg_ctl").exists()), None)


@contextmanager
def started_postgres() -> Iterator[str]:
    """Start a PostgreSQL on the loopback, as its own user, for it refuses to be root; yield the store's address."""
    programs_folder = postgres_programs()
    if programs_folder is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    port = free_port()
    folder = Path("/tmp") / f"ganfreeze-postgres-{os.getpid()}-{port}"  # that user cannot read pytest's folders
    folder.mkdir()
    user = {"user": "nobody"} if os.getuid() == 0 else {}
    if user:
        shutil.chown(folder, "nobody")

    def run(program, *arguments):
        command = [programs_folder / program, "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **user)

    run("initdb", "-A", "trust", "-U", "runs", "--no-sync")
    run("pg_ctl", "-w", "-l", folder / "log", "-o", f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}", "start")
    try:
        yield f"postgresql://runs@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@contextmanager
def started_mlflow(folder: Path) -> Iterator[str]:
    """Start an MLflow server over PostgreSQL, with artifacts in `folder`; yield its address."""
    with started_postgres() as store:
        server = Server(folder, store)
        try:
            server.start()
            yield server.uri
        finally:
            server.kill()
