"""From the command to the first step, beside `import tensorflow` alone:

    python benchmarks/startup.py [ROUNDS] [any word or option of train.py]

By turns, each in a process of its own. The first step's figures have come when the clock
is read. Prints the medians, and those of `--help` and of a config that is refused.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

TRAIN = Path(__file__).parent.parent.resolve() / "src" / "train.py"
UNTIL_THE_FIRST_STEP = """
import os, runpy, sys
from ganfreeze import events
from ganfreeze.record.terminal import Terminal

write = Terminal.write

def stop(self, event):
    if isinstance(event, events.Scalars):
        os._exit(0)
    write(self, event)

Terminal.write = stop
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def main(rounds: int, options: list[str]) -> None:
    """Print a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        run = [f"paths.cache={folder}/cache", f"paths.mlruns={folder}/mlruns", f"hydra.run.dir={folder}/run", *options]
        program = f"import sys; sys.argv = {[str(TRAIN), 'cadence.log=1', *run]!r}\n{UNTIL_THE_FIRST_STEP}"
        commands = {
            "import tensorflow": ["-c", "import tensorflow"],
            "to the first step": ["-c", program],
            "--help": [str(TRAIN), "--help"],
            "steps=-1": [str(TRAIN), "steps=-1"],
        }
        for name in commands:  # files are read, bytes compiled, and the evaluator made by then
            _seconds(commands[name])
        rounds_of: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                rounds_of[name].append(_seconds(command))
    medians = {name: statistics.median(seconds) for name, seconds in rounds_of.items()}
    for name, median in medians.items():
        print(f"{name:18} {median:.2f} s ({min(rounds_of[name]):.2f} to {max(rounds_of[name]):.2f})")
    print(f"the first step comes {medians['to the first step'] - medians['import tensorflow']:.2f} s after TensorFlow")


def _seconds(arguments: list[str]) -> float:
    began = perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5, sys.argv[2:])
