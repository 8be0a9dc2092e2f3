"""Measure what `seeds_at_once` gains: python benchmarks/seeds.py [options of train.py]

For each data set, one seed alone and 2, 4 and 8 seeds in one program take turns, with and without XLA. A turn is 50
steps. Print the steps per second of all seeds together, of the best turn of each, and how many times that of one seed
alone it is. What is compared with is the faster of one seed with XLA and without.

Then print why: what two parts of a step cost for four seeds, as one operation with a seed axis and as four operations.
They are a product of a batch and a layer's weights, and the update of these weights by Adam.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from hydra import initialize_config_dir

from ganfreeze.app import at_once
from ganfreeze.app.compose import compose_variant
from ganfreeze.app.seeds import single_seeds
from ganfreeze.app.training_setup import build
from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor

CASES = {"ring": ("dataset=ring", "evaluator=none"), "digits": (), "mnist": ("dataset=mnist",)}
COUNTS = (1, 2, 4, 8)
STEPS, TURNS = 50, 8


def main(overrides: list[str]) -> None:
    """Print a line for each data set and each way to run its steps."""
    with initialize_config_dir(str(Path(__file__).parent.parent.resolve() / "conf"), version_base="1.3"):
        for case, own in CASES.items():
            ways = {(jit, count): _advancing(jit, count, *own, *overrides) for jit in ("off", "on") for count in COUNTS}
            rates = dict.fromkeys(ways, 0.0)
            for turn in range(TURNS + 1):
                for way, advance in ways.items():
                    began = perf_counter()
                    advance(turn * STEPS)
                    if turn:  # the first one traces and compiles
                        rates[way] = max(rates[way], way[1] * STEPS / (perf_counter() - began))
            alone = max(rates["off", 1], rates["on", 1])
            for jit in ("off", "on"):
                cells = (f"{count}: {rates[jit, count]:.0f} ({rates[jit, count] / alone:.2f} x)" for count in COUNTS)
                print(f"{case:6} jit={jit:3}  {'  '.join(cells)}", flush=True)
    for jit in (False, True):
        print("  ".join(f"{name} {1e6 * seconds:.0f} us" for name, seconds in _parts(jit).items()), f"(jit={jit})")


def _parts(jit: bool, seeds: int = 4, batch: int = 32, rows: int = 512, columns: int = 1024) -> Mapping[str, float]:
    """Return the seconds of each part, for all seeds; the best of many."""
    examples, weights = tf.random.normal((seeds, batch, rows)), tf.random.normal((seeds, rows, columns))
    parts = {
        "one product with a seed axis": (tf.matmul, (examples, weights)),
        f"{seeds} products": (_each(tf.matmul), (examples, weights)),
        "one update with a seed axis": (_adam, (weights, weights, weights, weights)),
        f"{seeds} updates": (_each(_adam), (weights, weights, weights, weights)),
    }
    return {
        name: _best(tf.function(part, autograph=False, jit_compile=jit), tensors)
        for name, (part, tensors) in parts.items()
    }


def _each(part: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *stacks: [part(*row) for row in zip(*map(tf.unstack, stacks), strict=True)]


def _adam(weights: Tensor, gradient: Tensor, mean: Tensor, square: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean, square = mean + 0.5 * (gradient - mean), square + 0.001 * (gradient * gradient - square)
    return weights - 2e-4 * mean / (tf.sqrt(tf.abs(square)) + 1e-7), mean, square


def _best(part: Callable[..., Any], tensors: Sequence[Tensor]) -> float:
    times = []
    for _ in range(200):
        began = perf_counter()
        part(*tensors)
        times.append(perf_counter() - began)
    return min(times)


def _advancing(jit: str, count: int, *overrides: str) -> Callable[[int], object]:
    """Return what trains so many seeds from a step on."""
    options = (f"seeds_at_once={count}", f"jit={jit}", f"fused_steps={STEPS}", "keras=keras3", *overrides)
    variants = single_seeds(compose_variant(*options))
    dataset = variants[0].source.load()
    setups = [build(variant, dataset) for variant in variants]
    if count == 1:
        return lambda step: setups[0].strategy.advance(setups[0].streams, step, STEPS)
    together = at_once.join(dict(enumerate(zip(variants, setups, strict=True))))

    def advance(step: int) -> None:
        due = dict.fromkeys(range(count), (step, STEPS))
        for number in due:
            together.advance(number, step, STEPS, due)

    return advance


if __name__ == "__main__":
    main(sys.argv[1:])
