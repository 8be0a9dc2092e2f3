"""Statistics of real images that samples are compared with: computed once from an extractor's features, and cached."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Dataset, Images
from ganfreeze.evaluation import cache
from ganfreeze.evaluation.extractor.base import Extractor, Features
from ganfreeze.evaluation.metrics.frechet import Gaussian, RunningMoments
from ganfreeze.evaluation.metrics.neighbours import Manifold, nearest
from ganfreeze.types import Metrics

_RECIPE = 1  # raise it when the content of the files changes, so that old files are not read
_BATCH = 500


class ReferenceStatistics:
    """Statistics of a data set, each computed when it is first needed, or read from `folder`/reference.

    `split` is "train" or "test". At most `subset` images, drawn with a fixed seed, have their features compared one by
    one.
    """

    def __init__(self, folder: str, dataset: Dataset, extractor: Extractor, *, split: str, subset: int) -> None:
        self._folder, self._dataset, self._extractor = Path(folder) / "reference", dataset, extractor
        self._split, self._subset = split, subset
        self._manifolds: dict[int, Manifold] = {}

    @cached_property
    def gaussian(self) -> Gaussian:
        """The Gaussian of the features of all images of the split."""

        def compute() -> cache.Arrays:
            running = RunningMoments()
            for vectors in self._extracted(self._split, self._all(self._split)):
                running.update(vectors)
            return Gaussian.of(running.moments()).arrays()

        return Gaussian.read(self._cached("gaussian", self._split, compute))

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """The features of the subset, (n, d), in random order."""

        def compute() -> cache.Arrays:
            return {"features": self._vectors(self._split, self._drawn(self._split))}

        return self._cached(f"features of {self._subset}", self._split, compute)["features"]

    def manifold(self, neighbours: int) -> Manifold:
        """Return the subset, in which each example reaches as far as its `neighbours`-th nearest neighbour."""
        if neighbours not in self._manifolds:
            self._manifolds[neighbours] = Manifold(self.features, neighbours)
        return self._manifolds[neighbours]

    @cached_property
    def training_features(self) -> NDArray[np.float32]:
        """The features of all training images, (n, d)."""

        def compute() -> cache.Arrays:
            return {"features": self._vectors("train", self._all("train"))}

        return self._cached("all features", "train", compute)["features"]

    @cached_property
    def held_out_distances(self) -> NDArray[np.float64]:
        """The distance to the nearest training image from each image of a subset of the test split, (n,)."""

        def compute() -> cache.Arrays:
            held_out = self._vectors("test", self._drawn("test"))
            return {"distances": nearest(held_out, self.training_features)}

        return self._cached(f"distances of {self._subset}", "test", compute)["distances"]

    def held_out(self, count: int) -> Iterator[tuple[Images, Features]]:
        """Yield the first `count` images of the test split's subset, and their features, batch by batch."""
        indices = self._drawn("test")[:count]
        for start in range(0, count, _BATCH):
            images = self._images("test")[indices[start : start + _BATCH]]
            yield images, self._extractor.extract(images)

    def cached_metrics(self, name: str, compute: Callable[[], Metrics]) -> Metrics:
        """Return metrics from the cache, or what `compute` returns."""
        return cache.metrics(self._folder, self._key(name, self._split), compute)

    def images(self, count: int) -> Images:
        """Return the first `count` images of the subset, or all if it has fewer, in the order of `features`."""
        return self._images(self._split)[self._drawn(self._split)[:count]]

    def _images(self, split: str) -> Images:
        return getattr(self._dataset, split).examples

    def _all(self, split: str) -> NDArray[np.int64]:
        return np.arange(len(self._images(split)))

    def _drawn(self, split: str) -> NDArray[np.int64]:
        return np.random.default_rng(0).permutation(len(self._images(split)))[: self._subset]

    def _extracted(self, split: str, indices: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(indices), _BATCH):
            yield self._extractor.extract(self._images(split)[indices[start : start + _BATCH]]).vectors

    def _vectors(self, split: str, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.concatenate(list(self._extracted(split, indices)))

    def _cached(self, part: str, split: str, compute: cache.Make) -> cache.Arrays:
        return cache.arrays(self._folder, self._key(part, split), compute)

    def _key(self, part: str, split: str) -> Mapping[str, Any]:
        key = {"recipe": _RECIPE, "part": part, "data": self._dataset.digest, "split": split}
        return {**key, **self._extractor.identity}
