"""A generator under an evaluator: its metrics under their full names, and the protocol that they have."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ganfreeze.evaluation.evaluator.base import PreparedEvaluator
from ganfreeze.evaluation.protocol_card import Card
from ganfreeze.evaluation.sampler import Sampler
from ganfreeze.types import Metrics


class EvaluatedGenerator(NamedTuple):
    """A generator, the evaluator that measures it, and the protocol card of its metrics.

    `name` begins the names of its metrics: "classifier" of "classifier/fid", "classifier_ema" for averaged weights.
    """

    name: str
    card: Card
    evaluator: PreparedEvaluator
    sampler: Sampler

    def metrics(self, seed: int) -> Metrics:
        """Measure samples drawn with this seed. Return the metrics under their bare names: "fid"."""
        return self.evaluator.evaluate(self.sampler.stream(seed, self.evaluator.samples))

    def named_metrics(self, seed: int) -> Metrics:
        """Measure the same samples. Return the metrics under their full names: "classifier/fid"."""
        return {f"{self.name}/{metric}": value for metric, value in self.metrics(seed).items()}


def evaluated_generators(
    evaluator: PreparedEvaluator, samplers: Mapping[str, Sampler], decay: float | None, seeds: Sequence[int]
) -> Iterator[EvaluatedGenerator]:
    """Yield each generator with its evaluator; nothing if the evaluator needs no samples.

    `samplers` are keyed by suffix: "" for the generator, "_ema" for the average of its weights, which has this `decay`.
    """
    if not evaluator.samples:
        return
    for suffix, sampler in samplers.items():
        card = {**evaluator.card, "seeds": list(seeds), "ema": decay if suffix else "none"}
        yield EvaluatedGenerator(evaluator.name + suffix, card, evaluator, sampler)
