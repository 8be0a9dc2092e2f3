"""Contenders side by side: each in a process of its own, asked by turns for so many steps, round after round."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

PEERS = Path(__file__).parent / "peers"
WARM_UP = 50  # steps that are not counted: tracing and compiling are in them
TENS = 10  # a turn is a multiple of it: some contenders take so many in one call


class Contender(NamedTuple):
    """A script in `peers/`, its mode, what a table calls it, and what is added to its environment."""

    name: str
    script: str
    mode: str
    environment: Mapping[str, str] = MappingProxyType({})


class Setting(NamedTuple):
    """What is trained: the same for every contender."""

    architecture: str
    batch: int
    noise: str = "fresh"
    precision: str = "float32"

    def __str__(self) -> str:
        return " ".join(map(str, self))


class Result(NamedTuple):
    """Steps per second of each round, and the process's largest memory in MB."""

    rates: Sequence[float]
    megabytes: float

    @property
    def median(self) -> float:
        return statistics.median(self.rates)


class Running:
    """A contender that is up and waiting."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answer()  # that it is ready

    def steps_per_second(self, steps: int) -> float:
        assert self._process.stdin
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        answer = self._answer()
        return answer["steps"] / answer["seconds"]

    def megabytes(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def _answer(self) -> Mapping[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")
        return json.loads(line)


def compare(
    contenders: Sequence[Contender], setting: Setting, images: Path, *, rounds: int, seconds: float
) -> Mapping[str, Result]:
    """Each contender's results. One that cannot run says why on stderr, and is left out.

    A turn is as many steps as a contender takes in about so many seconds.
    """
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        turns: dict[str, int] = {}
        for each in contenders:
            try:
                up = stack.enter_context(_up(each, setting, images))
                up.steps_per_second(WARM_UP)
                turns[each.name] = max(1, round(seconds * up.steps_per_second(WARM_UP) / TENS)) * TENS
                running[each.name] = up
            except RuntimeError as error:
                print(f"{each.name}, {setting}: left out: {error}", file=sys.stderr, flush=True)
        rates: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(rounds):
            for name, up in running.items():
                rates[name].append(up.steps_per_second(turns[name]))
        return {name: Result(rates[name], up.megabytes()) for name, up in running.items()}


@contextmanager
def _up(contender: Contender, setting: Setting, images: Path) -> Iterator[Running]:
    command = [sys.executable, str(PEERS / contender.script), "--mode", contender.mode, "--images", str(images)]
    for key, value in setting._asdict().items():
        command += [f"--{key}", str(value)]
    log = Path(os.environ.get("TMPDIR", "/tmp")) / f"{contender.name} {setting}.log".replace(" ", "_")
    with log.open("w") as errors:
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        process = subprocess.Popen(command, text=True, env=os.environ | contender.environment, **pipes)
        try:
            yield Running(process)
        except RuntimeError as error:
            raise RuntimeError(f"{error}; {(log.read_text().strip().splitlines() or [''])[-1]}") from None
        finally:
            process.kill()
            process.wait()
