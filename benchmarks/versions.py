"""Compare the speed of this tree with other commits, in turns:

    python benchmarks/versions.py COMMIT... [--rounds 5] [--seconds 2]

The table shows how much faster a change made ganfreeze. Each commit is checked out into a temporary folder and runs its
own `peers/ours.py`, in this environment.
"""

import subprocess
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from contenders import Contender, Setting, compare
from run import ROOT, mnist

SETTINGS = (Setting("mlp", 32), Setting("mlp", 128), Setting("dcgan", 64), Setting("dcgan", 64, "reused", "bfloat16"))


def main() -> None:
    """Print a line for each setting and commit."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("commits", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        images = Path(folder) / "mnist.npy"
        np.save(images, mnist())
        trees = [("this tree", ROOT)]
        trees += [
            (commit, stack.enter_context(_checked_out(commit, Path(folder) / commit))) for commit in arguments.commits
        ]
        print("| | commit | steps/s, median | slowest to fastest round | this tree is faster |")
        print("| --- | --- | --- | --- | --- |")
        for setting in SETTINGS:
            results = compare(
                list(_contenders(trees)), setting, images, rounds=arguments.rounds, seconds=arguments.seconds
            )
            for name, result in results.items():
                ratio = results["this tree"].median / result.median
                rates = f"{result.median:.1f} | {min(result.rates):.1f} to {max(result.rates):.1f}"
                print(f"| {setting} | {name} | {rates} | {ratio:.2f} x |", flush=True)


@contextmanager
def _checked_out(commit: str, folder: Path) -> Iterator[Path]:
    git = ["git", "-C", str(ROOT), "worktree"]
    if subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=False).returncode:
        raise SystemExit(f"{commit}: must be a commit of this repository")
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def _contenders(trees: Sequence[tuple[str, Path]]) -> Iterator[Contender]:
    for name, tree in trees:
        ours = tree / "benchmarks" / "peers" / "ours.py"
        yield Contender(name, str(ours), "tape", {"PYTHONPATH": str(tree / "src")})


if __name__ == "__main__":
    main()
