"""The base of the evaluators with a feature extractor: they compute a choice of metrics, batch by batch."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field

from ganfreeze.data.dataset.base import Dataset, Images
from ganfreeze.errors import BadInput
from ganfreeze.evaluation import image_metrics
from ganfreeze.evaluation.accumulators import (
    Accumulator,
    FeatureAccumulator,
    FrechetAccumulator,
    InceptionScoreAccumulator,
    SimilarityAccumulator,
    SlicedWassersteinAccumulator,
)
from ganfreeze.evaluation.evaluator.base import Evaluator, PreparedEvaluator, glance_samples, protocol
from ganfreeze.evaluation.extractor.base import Extractor, Features
from ganfreeze.evaluation.metrics.kernel import kernel_distance
from ganfreeze.evaluation.metrics.neighbours import Manifold, density_coverage, memorization, nearest, precision_recall
from ganfreeze.evaluation.protocol_card import BY_METRIC, GLANCE, HELD_OUT, LEFT_OUT
from ganfreeze.evaluation.reference import ReferenceStatistics
from ganfreeze.types import Count, Folder, Index, Metrics

Metric = Literal[
    "fid",
    "inception_score",
    "kid",
    "precision_recall",
    "density_coverage",
    "memorization",
    "ms_ssim",
    "sliced_wasserstein",
]

# Of Kynkaanniemi et al. 2019, section 3, and Naeem et al. 2020, section 3.
_NEIGHBOURS = {"precision_recall": 3, "density_coverage": 5}

# What the metrics of two numbers are called.
_NAMES = {"precision_recall": ("precision", "recall"), "density_coverage": ("density", "coverage")}

_OF_A_GLANCE: Sequence[Metric] = ("fid", "inception_score")  # the metrics that few samples, in little time, tell of


@dataclass(frozen=True, kw_only=True)
class FeatureEvaluator(Evaluator, ABC):
    """An evaluator that computes metrics with a feature extractor.

    - `metrics`: which metrics are computed, each once.
    - `split`: the split of the data set that samples are compared with. With "train", the card also has the metrics of
      held-out real images.
    - `splits`: how many parts the samples are divided into for the Inception Score.
    - `neighbours`: which neighbour an example reaches to, for precision_recall and density_coverage; null: 3 and 5, as
      in their papers.
    - `subset`: how many samples, and real images, a metric takes at most, except fid, inception_score and ms_ssim.

    The metrics:

    - `fid`: the Frechet distance of the features to those of all images of `split`.
    - `inception_score`, of the logits, in `splits` parts; with two parts or more, `inception_score_deviation` is the
      standard deviation of their scores.
    - `kid`: the squared kernel distance, and `kid_standard_error`; in ten blocks or more, of 1,000 samples at most.
    - `precision_recall`: `precision` and `recall`; `density_coverage`: `density` and `coverage`.
    - `memorization`, with `nearest_train` and `nearest_train_held_out`; it keeps the features of the whole training
      split in memory.
    - `ms_ssim`: the mean similarity of pairs of samples, which is low if they are diverse.
    - `sliced_wasserstein`: the distance of patches of pixels.

    FID, Inception Score and MS-SSIM take all `samples` and keep none. The other metrics take the first samples, at most
    `subset`, and as many real images, drawn once with a fixed seed. So memory has a bound. The card says how many
    samples each metric took.

    A metric that the extractor cannot tell of a data set is left out, and the card says why.

    A glance takes at most 128 samples, and of the metrics `fid` and `inception_score` only, the latter in one part.

    If `split` is "train", the card also has the metrics of held-out real images, as `held_out`: of the test split, as
    many as there are, at most `samples` and `subset`. A generator that has learned the distribution gets about these
    values.

    Raises:
        BadInput: there are too few samples for these options.
    """

    NAME: ClassVar[str]

    cache: Folder
    metrics: Sequence[Metric] = ("fid", "inception_score")
    samples: Annotated[int, Field(ge=2)] = 1000
    seed: Index = 0
    split: Literal["train", "test"] = "train"
    splits: Count = 1
    neighbours: Count | None = None
    subset: Annotated[int, Field(ge=2)] = 10000

    def __post_init__(self) -> None:
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise BadInput(f"evaluator.metrics={list(self.metrics)}: must name one metric or more, each once")
        if self.splits > self.samples // 2:
            raise BadInput(f"evaluator.splits={self.splits}: must be at most half of evaluator.samples={self.samples}")
        self._require_neighbours(
            "the smaller of evaluator.samples and evaluator.subset", min(self.samples, self.subset)
        )

    def check(self, dataset: Dataset) -> None:
        if len(dataset.example_shape) != 3:
            others = "evaluator=mixture or evaluator=none" if dataset.mixture else "evaluator=none"
            raise BadInput(
                f"evaluator={self.NAME} needs images; dataset={dataset.name} has points of shape "
                f"{dataset.example_shape}. Choose {others}."
            )
        counts = [len(split.examples) for split in (dataset.train, dataset.test)]
        if min(counts) < 2:
            raise BadInput(
                f"evaluator={self.NAME} needs two images or more in each split; dataset={dataset.name} has "
                f"{counts[0]} and {counts[1]}. Add images, or choose evaluator=none."
            )
        self._check(dataset)
        left_out = self._left_out(dataset)
        if not {*self.metrics} - left_out.keys():
            reasons = "; ".join(f"{metric}: {left_out[metric]}" for metric in self.metrics)
            raise BadInput(f"evaluator.metrics={list(self.metrics)}: nothing is left to measure. {reasons}.")
        self._require_neighbours(f"the images of the {self.split} split", len(getattr(dataset, self.split).examples))
        height, width = dataset.example_shape[:2]
        least = image_metrics.LEAST_SIDE
        pixel_metrics = self._chosen("ms_ssim", "sliced_wasserstein")
        if pixel_metrics and min(height, width) < least:
            raise BadInput(
                f"evaluator.metrics={pixel_metrics}: need images of {least}x{least} or more; dataset={dataset.name} "
                f"has {dataset.example_shape}."
            )
        if "sliced_wasserstein" in pixel_metrics and not (height == width and image_metrics.whole_pyramid(height)):
            raise BadInput(
                "evaluator.metrics=['sliced_wasserstein']: needs square images whose side can be halved to 16 to 31 "
                f"pixels, such as 28, 32 or 48; dataset={dataset.name} has {dataset.example_shape}."
            )

    def metric_names(self) -> Sequence[str]:
        """Return the full names of the metrics that can be ranked."""
        return [f"{self.NAME}/{name}" for metric in self.metrics for name in _NAMES.get(metric, (metric,))]

    def prepare(self, dataset: Dataset) -> PreparedEvaluator:
        left_out = self._left_out(dataset)
        return replace(self, metrics=[each for each in self.metrics if each not in left_out])._with_glance(dataset)

    def _with_glance(self, dataset: Dataset) -> PreparedEvaluator:
        extractor = self._extractor(dataset)

        def glance() -> PreparedEvaluator | None:
            metrics = self._chosen(*_OF_A_GLANCE)
            if not metrics:
                return None
            light = replace(self, metrics=metrics, samples=glance_samples(self.samples), splits=1)
            return light._prepared(self.NAME + GLANCE, dataset, extractor)

        return self._prepared(self.NAME, dataset, extractor)._replace(glance=glance)

    def _prepared(self, name: str, dataset: Dataset, extractor: Extractor) -> PreparedEvaluator:
        reference = ReferenceStatistics(self.cache, dataset, extractor, split=self.split, subset=self._kept_samples)
        list(self._accumulators(reference))  # computes the statistics of real images before training begins

        def evaluate(batches: Iterable[Images]) -> Metrics:
            return self._measure(reference, ((images, extractor.extract(images)) for images in batches))

        own = self._own_protocols(min(self._kept_samples, len(getattr(dataset, self.split).examples)))
        missing = {metric: {LEFT_OUT: reason} for metric, reason in self._left_out(dataset).items()}
        card = protocol(
            dataset,
            split=self.split,
            samples=self.samples,
            **extractor.identity,
            **{BY_METRIC: {**own, **missing}},
            **{HELD_OUT: {**self._of_held_out(dataset, reference), **extractor.facts}},
        )
        return PreparedEvaluator(name, self.samples, self.seed, card, extractor.facts, evaluate)

    @abstractmethod
    def _check(self, dataset: Dataset) -> None:
        """Raise BadInput if the extractor does not accept this data set's images."""

    @abstractmethod
    def _left_out(self, dataset: Dataset) -> Mapping[Metric, str]:
        """Return the metrics that the extractor cannot tell of this data set, each with the reason in words."""

    @abstractmethod
    def _extractor(self, dataset: Dataset) -> Extractor:
        """Make the extractor, or read it from the cache."""

    def _measure(self, reference: ReferenceStatistics, batches: Iterable[tuple[Images, Features]]) -> Metrics:
        """Return the metrics of images that come batch by batch, with their features."""
        accumulators = list(self._accumulators(reference))
        for images, features in batches:
            for accumulator in accumulators:
                accumulator.update(images, features)
        return {name: value for accumulator in accumulators for name, value in accumulator.result().items()}

    def _of_held_out(self, dataset: Dataset, reference: ReferenceStatistics) -> Metrics:
        """Return the metrics of held-out real images, and `samples`, their number. They are computed once, and cached.

        They are at most `subset` too. A metric that needs more of them than there are is left out. Nothing is held out
        if samples are compared with the test split.
        """
        if self.split == "test":
            return {}
        count = min(self._kept_samples, len(dataset.test.examples))
        few = {"inception_score": 2 * self.splits, **{word: self._neighbours(word) + 1 for word in _NEIGHBOURS}}
        measurable = [metric for metric in self.metrics if count >= few.get(metric, 2)]
        splits = self.splits if "inception_score" in measurable else 1
        evaluator = replace(self, metrics=measurable, samples=count, splits=splits) if measurable else None

        def compute() -> Metrics:
            return evaluator._measure(reference, reference.held_out(count)) if evaluator else {}

        options = [*measurable, count, self.splits, self.subset, self.neighbours]
        return {**reference.cached_metrics(f"metrics {options}", compute), "samples": count}

    @property
    def _kept_samples(self) -> int:
        """The largest number of samples that are kept, to be compared one by one."""
        return min(self.samples, self.subset)

    def _own_protocols(self, paired: int) -> Mapping[str, Mapping[str, int]]:
        """Return the fields that concern some metrics only, by metric; `paired` samples meet as many real images."""
        own: dict[tuple[str, ...], Mapping[str, int]] = {
            ("inception_score", "inception_score_deviation"): {"splits": self.splits},
            ("kid", "kid_standard_error", "sliced_wasserstein"): {"samples": paired},
            ("precision", "recall"): {"samples": paired, "neighbours": self._neighbours("precision_recall")},
            ("density", "coverage"): {"samples": paired, "neighbours": self._neighbours("density_coverage")},
            ("memorization", "nearest_train", "nearest_train_held_out"): {"samples": self._kept_samples},
        }
        return {metric: fields for metrics, fields in own.items() for metric in metrics}

    def _accumulators(self, reference: ReferenceStatistics) -> Iterator[Accumulator]:
        """Yield a new accumulator for each of `metrics`; those on features share one."""
        if "fid" in self.metrics:
            yield FrechetAccumulator(reference.gaussian)
        if "inception_score" in self.metrics:
            yield InceptionScoreAccumulator(self.samples, self.splits)
        if metrics := list(self._feature_metrics(reference)):
            yield FeatureAccumulator(self._kept_samples, metrics)
        if "ms_ssim" in self.metrics:
            yield SimilarityAccumulator()
        if "sliced_wasserstein" in self.metrics:
            yield SlicedWassersteinAccumulator(self._kept_samples, reference.images)

    def _feature_metrics(self, reference: ReferenceStatistics) -> Iterator[Callable[[NDArray[Any]], Metrics]]:
        """Yield the functions that take the features of fakes and return metrics.

        Memorization compares the fakes with all training examples, the others with as many real examples as fakes.
        """
        if "kid" in self.metrics:
            real = reference.features
            yield lambda fake: _kid(real, fake[: len(real)])
        if "precision_recall" in self.metrics:
            neighbours = self._neighbours("precision_recall")
            real_manifold = reference.manifold(neighbours)
            yield lambda fake: precision_recall(
                real_manifold, Manifold(fake[: len(real_manifold.features)], neighbours)
            )
        if "density_coverage" in self.metrics:
            manifold = reference.manifold(self._neighbours("density_coverage"))
            yield lambda fake: density_coverage(manifold, fake[: len(manifold.features)])
        if "memorization" in self.metrics:
            training, held_out = reference.training_features, reference.held_out_distances
            yield lambda fake: memorization(held_out, nearest(fake, training))

    def _chosen(self, *metrics: Metric) -> list[Metric]:
        return [metric for metric in metrics if metric in self.metrics]

    def _neighbours(self, metric: str) -> int:
        return self.neighbours or _NEIGHBOURS[metric]

    def _require_neighbours(self, which: str, count: int) -> None:
        most = max((self._neighbours(metric) for metric in _NEIGHBOURS if metric in self.metrics), default=0)
        if most >= count:
            raise BadInput(f"evaluator.neighbours={most}: must be less than {which}, {count}")


def _kid(real: NDArray[Any], fake: NDArray[Any]) -> Metrics:
    """Return the KID over ten blocks; over fewer if there are fewer than 20 samples, over more if above 10,000."""
    blocks = max(min(10, len(fake) // 2), -(-len(fake) // 1000))
    kid, standard_error = kernel_distance(real, fake, blocks=blocks)
    error = {} if math.isnan(standard_error) else {"kid_standard_error": standard_error}
    return {"kid": kid, **error}
