"""What `cadence.audit` costs: python benchmarks/watch.py [any word or option of train.py]

Takes plain and watched steps of the same variant by turns, in one process, and prints the medians.
"""

import statistics
import sys
from pathlib import Path
from time import perf_counter

from hydra import initialize_config_dir

from ganfreeze.app.study import ready, variant
from ganfreeze.proof.watch import WatchedStrategy
from ganfreeze.strategy.base import Strategy

EVERY, STEPS = 100, 300


def main(overrides: list[str]) -> None:
    """Print one line: milliseconds of a plain and of a watched step, and what one watched step in a hundred costs."""
    with initialize_config_dir(str(Path(__file__).parent.parent.resolve() / "conf"), version_base="1.3"):
        chosen = variant("evaluator=none", *overrides)
    game, strategy, streams = ready(chosen, chosen.source.load())
    watched = WatchedStrategy(strategy, game, 1, tolerated=False)

    def milliseconds(each: Strategy, step: int) -> float:
        began = perf_counter()
        each.advance(streams, step, 1)
        return (perf_counter() - began) * 1000

    steps = [(milliseconds(strategy, step), milliseconds(watched, step)) for step in range(STEPS)][
        20:
    ]  # traced by then
    plain, with_ = (statistics.median(column) for column in zip(*steps, strict=True))
    cost = statistics.median(after - before for before, after in steps) / EVERY / plain
    words = " ".join(overrides) or "tape mlp digits"
    print(f"{words}: {plain:.2f} ms a step, {with_:.2f} ms watched; cadence.audit={EVERY} costs {cost:+.2%}")


if __name__ == "__main__":
    main(sys.argv[1:])
