"""Measure the cost of glances: python benchmarks/glances.py [options of train.py]

In one process, train a tenth of the run and make a glance as a run does: how far the weights have moved, its metrics,
and its picture with a thumbnail. Repeat this to the end of the run. Print the medians, and the share of the time.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from hydra import initialize_config_dir

from ganfreeze.app import measures
from ganfreeze.app.compose import compose_variant
from ganfreeze.app.execution import build_fastest
from ganfreeze.app.settings import cadence_of
from ganfreeze.proof.weight_change import weight_change
from ganfreeze.record import pictures


def main(overrides: list[str]) -> None:
    """Print one line."""
    with initialize_config_dir(str(Path(__file__).parent.parent.resolve() / "conf"), version_base="1.3"):
        variant = compose_variant(*overrides)
    dataset, cadence = variant.source.load(), cadence_of(variant.settings)
    variant.evaluator.check(dataset)
    setup, _ = build_fastest(variant, dataset)
    change = weight_change(setup.game.networks, setup.strategy.phases)
    measured = measures.prepare(variant, dataset, setup, change)
    path = Path(tempfile.mkdtemp()) / "samples.png"

    def glance() -> list[float]:
        """Return the seconds that each measure took, and at the end those of the pictures."""
        times = [perf_counter()]
        for measure in measured.glance:
            measure()
            times.append(perf_counter())
        for draw in measured.pictures.values():
            pictures.write_with_thumbnail(draw(), path, path.with_suffix(".webp"))
        return [end - begin for begin, end in zip(times, [*times[1:], perf_counter()], strict=True)]

    # These first calls are not timed: TensorFlow traces the functions in them.
    setup.strategy.advance(setup.streams, 0, cadence.log)
    glance()

    training, glances = [], []
    for step in range(0, cadence.steps, cadence.glance or cadence.steps):
        began = perf_counter()
        for span in cadence._replace(steps=min(cadence.steps, step + (cadence.glance or cadence.steps))).spans(step):
            setup.strategy.advance(setup.streams, step, span.steps)
            step += span.steps
        training.append(perf_counter() - began)
        glances.append(glance())
    per_part = [statistics.median(part) for part in zip(*glances, strict=True)]
    parts = " + ".join(f"{1000 * part:.1f}" for part in per_part)
    trained, glanced = statistics.median(training), sum(per_part)
    print(
        f"{' '.join(overrides) or 'tape mlp digits'}: {cadence.glance} steps {trained:.3f} s, a glance "
        f"{parts} ms, {glanced / (trained + glanced):.1%} of the time"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
