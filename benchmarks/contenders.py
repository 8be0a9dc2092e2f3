"""Compare the speed of several programs side by side.

Each contender runs in its own process. The contenders take turns, round after round, and each turn is a number of
steps.
"""

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
WARM_UP = 50  # steps that are not timed: tracing and compiling happen in them
TENS = 10  # a turn is a multiple of this number, because some contenders take ten steps in one call


class Contender(NamedTuple):
    """A script in `peers/` with its mode: its name in a table, and the variables added to its environment."""

    name: str
    script: str
    mode: str
    environment: Mapping[str, str] = MappingProxyType({})


class Setting(NamedTuple):
    """A training setup, the same for every contender."""

    architecture: str
    batch: int
    noise: str = "fresh"
    precision: str = "float32"

    def __str__(self) -> str:
        return " ".join(map(str, self))


class Result(NamedTuple):
    """The steps per second of each round, and the largest memory of the process in MB."""

    rates: Sequence[float]
    megabytes: float

    @property
    def median(self) -> float:
        return statistics.median(self.rates)


class Running:
    """A contender's process that is built and waits for a number of steps."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answer()  # the first answer says that the contender is ready

    def steps_per_second(self, steps: int) -> float:
        """Let the contender train these steps, and return its speed."""
        assert self._process.stdin
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        answer = self._answer()
        return answer["steps"] / answer["seconds"]

    def megabytes(self) -> float:
        """Return the largest memory of the process so far, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def _answer(self) -> Mapping[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with exit status {self._process.wait()}")
        return json.loads(line)


def compare(
    contenders: Sequence[Contender], setting: Setting, images: Path, *, rounds: int, seconds: float
) -> Mapping[str, Result]:
    """Return the result of each contender, by its name.

    A turn has the number of steps that the contender takes in about `seconds`. If a contender cannot run, it is left
    out, and stderr says why.
    """
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        turns: dict[str, int] = {}
        for contender in contenders:
            try:
                process = stack.enter_context(_started(contender, setting, images))
                process.steps_per_second(WARM_UP)
                steps = seconds * process.steps_per_second(WARM_UP)
                turns[contender.name] = max(1, round(steps / TENS)) * TENS
                running[contender.name] = process
            except RuntimeError as error:
                print(f"{contender.name}, {setting}: left out: {error}", file=sys.stderr, flush=True)
        rates: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(rounds):
            for name, process in running.items():
                rates[name].append(process.steps_per_second(turns[name]))
        return {name: Result(rates[name], process.megabytes()) for name, process in running.items()}


@contextmanager
def _started(contender: Contender, setting: Setting, images: Path) -> Iterator[Running]:
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
