"""The ladder of figures on any feature extractor, gathered while samples come batch by batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field

from ganfreeze import image_metrics, rungs
from ganfreeze.data import Dataset, Images
from ganfreeze.errors import BadInput
from ganfreeze.evaluation import Evaluation, Evaluator, Extractor, protocol
from ganfreeze.metrics.kernel import BLOCK, kernel_distance
from ganfreeze.metrics.neighbours import density_coverage, memorization, precision_recall
from ganfreeze.reference import Reference
from ganfreeze.rungs import Rung
from ganfreeze.types import Count, Index, Scalars

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


@dataclass(frozen=True, kw_only=True)
class Ladder(Evaluator, ABC):
    """An evaluator whose figures rest on a feature extractor. `metrics` are any of these:

    - `fid`: the Frechet distance of the features to those of all images of `split`.
    - `inception_score`, of the logits, in `splits` parts; with two or more, `inception_score_deviation` is theirs.
    - `kid`: the squared kernel distance, and `kid_standard_error`; in ten blocks or more, of 1,000 at the most.
    - `precision_recall`: `precision` and `recall`; `density_coverage`: `density` and `coverage`; an example reaches as
      far as its `neighbours`-th neighbour.
    - `memorization`, with `nearest_train` and `nearest_held_out`.
    - `ms_ssim`: the mean similarity of pairs of samples, low where they are diverse.
    - `sliced_wasserstein`: the distance of patches of pixels.

    FID, Inception Score and MS-SSIM take all `samples` and keep none. The others compare the first of them, `subset` at
    the most, with as many real images, drawn once by a fixed seed: so memory has a bound.

    Raises:
        BadInput: there are too few samples for what was chosen.
    """

    NAME: ClassVar[str]

    cache: str
    metrics: Sequence[Metric] = ("fid", "inception_score")
    samples: Annotated[int, Field(ge=2)] = 1000
    seed: Index = 0
    split: Literal["train", "test"] = "train"
    splits: Count = 1
    neighbours: Count = 5
    subset: Annotated[int, Field(ge=2)] = 10000

    def __post_init__(self) -> None:
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise BadInput(f"evaluator.metrics={list(self.metrics)}: must name one figure or more, each once")
        if self.splits > self.samples // 2:
            raise BadInput(f"evaluator.splits={self.splits}: must be at most half of evaluator.samples={self.samples}")
        self._require_neighbours("of evaluator.samples and evaluator.subset", min(self.samples, self.subset))

    def check(self, dataset: Dataset) -> None:
        if len(dataset.image_shape) != 3:
            others = "evaluator=mixture or evaluator=none" if dataset.mixture else "evaluator=none"
            raise BadInput(
                f"evaluator={self.NAME} needs images; dataset={dataset.name} has points of shape "
                f"{dataset.image_shape}. Choose {others}."
            )
        self._check(dataset)
        self._require_neighbours(f"of the {self.split} split", len(getattr(dataset, self.split).images))
        least = image_metrics.LEAST_SIDE
        pixels = self._chosen("ms_ssim", "sliced_wasserstein")
        if pixels and min(dataset.image_shape[:2]) < least:
            raise BadInput(
                f"evaluator.metrics={pixels}: need images of {least}x{least} or more; dataset={dataset.name} has "
                f"{dataset.image_shape}."
            )
        if "sliced_wasserstein" in pixels and dataset.image_shape[0] != dataset.image_shape[1]:
            raise BadInput(
                f"evaluator.metrics=['sliced_wasserstein']: needs square images; dataset={dataset.name} has "
                f"{dataset.image_shape}."
            )

    def prepare(self, dataset: Dataset) -> Evaluation:
        extractor = self._extractor(dataset)
        reference = Reference(self.cache, dataset, extractor, split=self.split, subset=self.subset)
        list(self._rungs(reference))  # so that what they need of real images is there before training begins

        def evaluate(batches: Iterable[Images]) -> Scalars:
            chosen = list(self._rungs(reference))
            for images in batches:
                features = extractor.extract(images)
                for rung in chosen:
                    rung.update(images, features)
            return {name: value for rung in chosen for name, value in rung.result().items()}

        options = {"split": self.split, "samples": self.samples, "splits": self.splits, "subset": self.subset}
        card = protocol(dataset, **options, neighbours=self.neighbours, **extractor.identity)
        return Evaluation(self.NAME, self.samples, self.seed, card, extractor.facts, evaluate)

    @abstractmethod
    def _check(self, dataset: Dataset) -> None:
        """Raise BadInput where the extractor is not for this data set's images."""

    @abstractmethod
    def _extractor(self, dataset: Dataset) -> Extractor:
        """Make the extractor, or take it from the cache."""

    def _rungs(self, reference: Reference) -> Iterator[Rung]:
        """Those of the chosen figures, none of which has seen a sample."""
        first = min(self.samples, self.subset)
        if "fid" in self.metrics:
            yield rungs.Fid(reference.gaussian)
        if "inception_score" in self.metrics:
            yield rungs.Score(self.samples, self.splits)
        if figures := list(self._of_neighbours(reference)):
            yield rungs.Kept(first, figures)
        if "ms_ssim" in self.metrics:
            yield rungs.Similarity()
        if "sliced_wasserstein" in self.metrics:
            yield rungs.Patches(first, reference.images)

    def _of_neighbours(self, reference: Reference) -> Iterator[Callable[[NDArray[Any]], Scalars]]:
        """The chosen figures that look at features side by side; with as many real examples as fakes."""
        if self._chosen("kid", "precision_recall", "density_coverage"):
            real = reference.features
            if "kid" in self.metrics:
                yield lambda fake: _kid(*_as_many(real, fake))
            if "precision_recall" in self.metrics:
                yield lambda fake: precision_recall(*_as_many(real, fake), neighbours=self.neighbours)
            if "density_coverage" in self.metrics:
                yield lambda fake: density_coverage(*_as_many(real, fake), neighbours=self.neighbours)
        if "memorization" in self.metrics:
            train, held_out = reference.both_splits
            yield lambda fake: memorization(train, held_out, fake)

    def _chosen(self, *metrics: Metric) -> list[Metric]:
        return [metric for metric in metrics if metric in self.metrics]

    def _require_neighbours(self, which: str, count: int) -> None:
        if self._chosen("precision_recall", "density_coverage") and self.neighbours >= count:
            raise BadInput(f"evaluator.neighbours={self.neighbours}: must be less than the least {which}, {count}")


def _as_many(real: NDArray[Any], fake: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    count = min(len(real), len(fake))
    return real[:count], fake[:count]


def _kid(real: NDArray[Any], fake: NDArray[Any]) -> Scalars:
    found = kernel_distance(real, fake, block=min(BLOCK, max(2, len(fake) // 10)))
    return {"kid": found.value, "kid_standard_error": found.standard_error}
