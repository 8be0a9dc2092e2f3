"""What samples are compared with: statistics of real images in an extractor's features, computed once and kept."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Dataset, Images
from ganfreeze.evaluation import cache
from ganfreeze.evaluation.extractor.base import Extractor
from ganfreeze.evaluation.metrics.frechet import Gaussian, RunningMoments
from ganfreeze.evaluation.metrics.neighbours import Manifold, nearest

_RECIPE = 1  # to be raised when what is kept changes, so that nobody takes an old file for a new one
_BATCH = 500


class ReferenceStatistics:
    """Statistics of a data set, each made when it is first asked for, or taken from `folder`/reference.

    `split` is "train" or "test"; `subset` the most images whose features are compared one by one, drawn by a fixed
    seed; `neighbours` how far these reach.
    """

    def __init__(
        self, folder: str, dataset: Dataset, extractor: Extractor, *, split: str, subset: int, neighbours: int
    ) -> None:
        self._folder, self._dataset, self._extractor = Path(folder) / "reference", dataset, extractor
        self._split, self._subset, self._neighbours = split, subset, neighbours

    @cached_property
    def gaussian(self) -> Gaussian:
        """That of the features of all images of the split."""

        def make() -> cache.Arrays:
            running = RunningMoments()
            for vectors in self._extracted(self._split, self._all(self._split)):
                running.update(vectors)
            return Gaussian.of(running.moments()).arrays()

        return Gaussian.read(self._kept("gaussian", self._split, make))

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Those of the subset, (n, d), in random order."""

        def make() -> cache.Arrays:
            return {"features": self._vectors(self._split, self._some(self._split))}

        return self._kept(f"features of {self._subset}", self._split, make)["features"]

    @cached_property
    def manifold(self) -> Manifold:
        """The subset with its reach."""
        return Manifold(self.features, self._neighbours)

    @cached_property
    def training(self) -> NDArray[np.float32]:
        """The features of all training images, (n, d)."""

        def make() -> cache.Arrays:
            return {"features": self._vectors("train", self._all("train"))}

        return self._kept("all features", "train", make)["features"]

    @cached_property
    def held_out(self) -> NDArray[np.float64]:
        """How far the nearest training image is from each of a subset of those held out, (n,)."""

        def make() -> cache.Arrays:
            held_out = self._vectors("test", self._some("test"))
            return {"distances": nearest(held_out, self.training)}

        return self._kept(f"distances of {self._subset}", "test", make)["distances"]

    def images(self, count: int) -> Images:
        """`count` images of the subset, or all where it has no more, in the order of `features`."""
        return self._images(self._split)[self._some(self._split)[:count]]

    def _images(self, split: str) -> Images:
        return getattr(self._dataset, split).images

    def _all(self, split: str) -> NDArray[np.int64]:
        return np.arange(len(self._images(split)))

    def _some(self, split: str) -> NDArray[np.int64]:
        return np.random.default_rng(0).permutation(len(self._images(split)))[: self._subset]

    def _extracted(self, split: str, order: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(order), _BATCH):
            yield self._extractor.extract(self._images(split)[order[start : start + _BATCH]]).vectors

    def _vectors(self, split: str, order: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.concatenate(list(self._extracted(split, order)))

    def _kept(self, part: str, split: str, make: cache.Make) -> cache.Arrays:
        key = {"recipe": _RECIPE, "part": part, "data": self._dataset.digest, "split": split}
        return cache.arrays(self._folder, {**key, **self._extractor.identity}, make)
