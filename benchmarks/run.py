"""Compare the speed of ganfreeze and its peers, in turns:

    python benchmarks/run.py [--rounds 5] [--seconds 2] [--output FOLDER]

Print a table of medians and ratios for each setting, and write the tables to FOLDER/speed.md with a description of the
machine. PyTorch and JAX are in the optional extra `benchmarks`. If a peer is not installed, it is left out, and stderr
says so.
"""

import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path

import arithmetic
import numpy as np
from contenders import Contender, Result, Setting, compare
from hydra import initialize_config_dir

from ganfreeze.app.compose import compose_variant
from ganfreeze.app.training_setup import build
from ganfreeze.backend import machine

ROOT = Path(__file__).parent.parent.resolve()
OURS = Contender("ganfreeze tape", "ours.py", "tape")
PEERS = [
    Contender("PyTorch eager", "pytorch.py", "eager"),
    Contender("PyTorch compile", "pytorch.py", "compile"),
    Contender("JAX scan", "jax_scan.py", "default"),
    Contender("Keras 2 fit", "keras_fit.py", "keras2"),
    Contender("Keras 3 fit", "keras_fit.py", "keras3"),
]
MORE_OF_OURS = [
    Contender("ganfreeze train_step", "ours.py", "train_step"),
    Contender("ganfreeze compile", "ours.py", "compile"),
]
QUESTION = Contender("the question's loop", "question.py", "default")
QUESTIONS_OWN = Contender("ganfreeze compile, update=keras_gan", "ours.py", "keras_gan")
SETTINGS = {
    Setting("mlp", 32): [OURS, *MORE_OF_OURS, QUESTIONS_OWN, QUESTION, *PEERS],
    Setting("mlp", 128): [OURS, QUESTIONS_OWN, QUESTION, *PEERS],
    Setting("dcgan", 64): [OURS, *MORE_OF_OURS, *PEERS],
    Setting("dcgan", 64, "reused"): [OURS, *PEERS],
    Setting("dcgan", 64, "reused", "bfloat16"): [OURS, *PEERS[:2]],
}


def main() -> None:
    """Compare the contenders in every setting."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    command = f"python benchmarks/run.py --rounds {arguments.rounds} --seconds {arguments.seconds}"
    description = "\n".join(f"- {key}: {value}" for key, value in machine.description().items())
    sections = [f"# Speed\n\n`{command}`\n\n{description}\n"]
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "mnist.npy"
        np.save(images, mnist())
        for setting, contenders in SETTINGS.items():
            results = compare(contenders, setting, images, rounds=arguments.rounds, seconds=arguments.seconds)
            sections.append("\n".join(_table(setting, results)))
            print(sections[-1], flush=True)
            # The file is written after every setting, so that an interrupted benchmark keeps its tables.
            (arguments.output / "speed.md").write_text("\n".join(sections))


def mnist() -> np.ndarray:
    """Return MNIST's training images, from the folder GANFREEZE_DATA or downloaded."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return np.asarray(compose_variant("dataset=mnist", "evaluator=none").source.load().train.examples)


def _table(setting: Setting, results: Mapping[str, Result]) -> Iterator[str]:
    """Yield the lines of a table in Markdown.

    The share of the peak counts only the arithmetic that the step needs, even if a contender does more.
    """
    peak, work = arithmetic.peak(setting.precision), _work(setting)
    ours = results[OURS.name].median
    yield f"\n## {setting.architecture}, batch {setting.batch}, noise {setting.noise}, {setting.precision}\n"
    yield f"{work / 1e9:.2f} GFLOP a step; the product of two large matrices runs at {peak / 1e9:.0f} GFLOP/s.\n"
    yield "| | steps/s, median | slowest to fastest round | ganfreeze is faster | of the peak | largest memory |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, result in sorted(results.items(), key=lambda item: -item[1].median):
        yield (
            f"| {name} | {result.median:.1f} | {min(result.rates):.1f} to {max(result.rates):.1f} | "
            f"{ours / result.median:.2f} x | {result.median * work / peak:.0%} | {result.megabytes:.0f} MB |"
        )


def _work(setting: Setting) -> float:
    """Return the floating-point operations that one step needs in this setting."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        variant = compose_variant(
            f"architecture={setting.architecture}", "dataset=mnist", "evaluator=none", "jit=off", "fused_steps=1"
        )
    networks = build(variant, variant.source.load()).game.networks
    return arithmetic.step(networks.generator, networks.discriminator, setting.batch, reused=setting.noise == "reused")


if __name__ == "__main__":
    main()
