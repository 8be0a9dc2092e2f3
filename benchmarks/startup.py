"""Time the start of train.py up to the first step, beside `import tensorflow` alone:

    python benchmarks/startup.py [ROUNDS] [options of train.py]

Four commands take turns, each in its own process: `import tensorflow`, a run up to the first step, `--help`, and a
config that is refused. The run ends when the metrics of the first step arrive. Print the median of each command.
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
    if isinstance(event, events.Measured):
        os._exit(0)
    write(self, event)

Terminal.write = stop
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def main(rounds: int, overrides: list[str]) -> None:
    """Print a line for each command, and the time from TensorFlow's import to the first step."""
    with tempfile.TemporaryDirectory() as folder:
        folders = [f"paths.cache={folder}/cache", f"paths.mlruns={folder}/mlruns", f"hydra.run.dir={folder}/run"]
        argv = [str(TRAIN), "cadence.log=1", *folders, *overrides]
        program = f"import sys; sys.argv = {argv!r}\n{UNTIL_THE_FIRST_STEP}"
        commands = {
            "import tensorflow": ["-c", "import tensorflow"],
            "to the first step": ["-c", program],
            "--help": [str(TRAIN), "--help"],
            "steps=-1": [str(TRAIN), "steps=-1"],
        }
        # These calls are not timed: they read the files from the disk, write the bytecode and train the evaluator.
        for command in commands.values():
            _seconds(command)
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                seconds[name].append(_seconds(command))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:18} {median:.2f} s ({min(seconds[name]):.2f} to {max(seconds[name]):.2f})")
    print(f"the first step comes {medians['to the first step'] - medians['import tensorflow']:.2f} s after TensorFlow")


def _seconds(arguments: list[str]) -> float:
    began = perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5, sys.argv[2:])
