"""What evaluation costs in training: python benchmarks/evaluation.py dataset=mnist [any word or option of train.py]

Trains as many steps as lie between two evaluations, run as is fastest, and evaluates, by turns, in one process; prints
the medians, the share of the time that evaluation takes, and the process's largest memory before and after ten times as
many samples.
"""

import resource
import statistics
import sys
from pathlib import Path
from time import perf_counter

from hydra import initialize_config_dir

from ganfreeze.app.execution import build_fastest
from ganfreeze.app.study import variant
from ganfreeze.evaluation import sampler

ROUNDS = 5


def main(overrides: list[str]) -> None:
    """Print two lines."""
    with initialize_config_dir(str(Path(__file__).parent.parent.resolve() / "conf"), version_base="1.3"):
        chosen = variant("steps=10000", *overrides)
    dataset = chosen.source.load()
    chosen.evaluator.check(dataset)
    (game, strategy, streams), _ = build_fastest(chosen, dataset)
    evaluation, draw = chosen.evaluator.prepare(dataset), sampler.Sampler(game.networks.generator).stream
    every = chosen.settings.cadence.evaluate

    def evaluated(samples: int) -> float:
        began = perf_counter()
        evaluation.evaluate(draw(0, samples))
        return perf_counter() - began

    def trained(step: int) -> float:
        began = perf_counter()
        strategy.advance(streams, step, every)
        return perf_counter() - began

    strategy.advance(streams, 0, 100)  # traced by then
    evaluated(evaluation.samples)
    rounds = [(trained(every * number), evaluated(evaluation.samples)) for number in range(ROUNDS)]
    training, evaluating = (statistics.median(column) for column in zip(*rounds, strict=True))
    words = " ".join(overrides) or "tape mlp digits"
    print(
        f"{words}: {every} steps {training:.2f} s, an evaluation of {evaluation.samples} samples {evaluating:.3f} s, "
        f"{evaluating / (training + evaluating):.1%} of the time"
    )
    before = _megabytes()
    evaluated(10 * evaluation.samples)
    print(f"largest memory: {before:.0f} MB, with {10 * evaluation.samples} samples {_megabytes():.0f} MB")


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
