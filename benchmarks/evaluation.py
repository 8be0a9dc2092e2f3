"""Measure the cost of evaluation during training: python benchmarks/evaluation.py dataset=mnist [options of train.py]

In one process, train the steps between two evaluations in the fastest way, then evaluate; repeat this for several
rounds. Print the medians and the share of the time that evaluation takes. Then evaluate ten times as many samples, and
print the largest memory of the process before and after.
"""

import resource
import statistics
import sys
from pathlib import Path
from time import perf_counter

from hydra import initialize_config_dir

from ganfreeze.app.compose import compose_variant
from ganfreeze.app.execution import build_fastest
from ganfreeze.evaluation import sampler

ROUNDS = 5


def main(overrides: list[str]) -> None:
    """Print two lines: the times and the memory."""
    with initialize_config_dir(str(Path(__file__).parent.parent.resolve() / "conf"), version_base="1.3"):
        variant = compose_variant("steps=10000", *overrides)
    dataset = variant.source.load()
    variant.evaluator.check(dataset)
    (game, strategy, streams), _ = build_fastest(variant, dataset)
    evaluation, draw = variant.evaluator.prepare(dataset), sampler.Sampler(game.networks.generator, "normal").stream
    every = variant.settings.cadence.evaluate

    def seconds_to_evaluate(samples: int) -> float:
        began = perf_counter()
        evaluation.evaluate(draw(0, samples))
        return perf_counter() - began

    def seconds_to_train(step: int) -> float:
        began = perf_counter()
        strategy.advance(streams, step, every)
        return perf_counter() - began

    # These first calls are not timed: TensorFlow traces the functions in them.
    strategy.advance(streams, 0, 100)
    seconds_to_evaluate(evaluation.samples)

    rounds = [(seconds_to_train(every * number), seconds_to_evaluate(evaluation.samples)) for number in range(ROUNDS)]
    training, evaluating = (statistics.median(column) for column in zip(*rounds, strict=True))
    words = " ".join(overrides) or "tape mlp digits"
    print(
        f"{words}: {every} steps {training:.2f} s, an evaluation of {evaluation.samples} samples {evaluating:.3f} s, "
        f"{evaluating / (training + evaluating):.1%} of the time"
    )
    before = _megabytes()
    seconds_to_evaluate(10 * evaluation.samples)
    print(f"largest memory: {before:.0f} MB, with {10 * evaluation.samples} samples {_megabytes():.0f} MB")


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
