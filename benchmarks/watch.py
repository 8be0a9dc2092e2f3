"""Measure the cost of `cadence.audit`: python benchmarks/watch.py [options of train.py]

In one process, take plain and watched steps of the same variant in turns, and print the medians.
"""

import statistics
import sys
from pathlib import Path
from time import perf_counter

from hydra import initialize_config_dir

from ganfreeze.app.compose import compose_variant
from ganfreeze.app.training_setup import build
from ganfreeze.proof.watch import WatchedStrategy
from ganfreeze.strategy.base import Strategy

EVERY, STEPS = 100, 300
UNTIMED = 20  # the first steps, in which TensorFlow traces the functions


def main(overrides: list[str]) -> None:
    """Print one line: the milliseconds of a plain and of a watched step, and the cost of watching every 100th step."""
    with initialize_config_dir(str(Path(__file__).parent.parent.resolve() / "conf"), version_base="1.3"):
        variant = compose_variant("evaluator=none", *overrides)
    game, strategy, streams = build(variant, variant.source.load())
    watched = WatchedStrategy(strategy, game, 1, tolerated=False)

    def milliseconds(strategy: Strategy, step: int) -> float:
        began = perf_counter()
        strategy.advance(streams, step, 1)
        return (perf_counter() - began) * 1000

    times = [(milliseconds(strategy, step), milliseconds(watched, step)) for step in range(STEPS)]
    times = times[UNTIMED:]
    median_plain, median_watched = (statistics.median(column) for column in zip(*times, strict=True))
    cost = statistics.median(watched_time - plain_time for plain_time, watched_time in times) / EVERY / median_plain
    words = " ".join(overrides) or "tape mlp digits"
    print(
        f"{words}: {median_plain:.2f} ms a step, {median_watched:.2f} ms watched; "
        f"cadence.audit={EVERY} costs {cost:+.2%}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
