"""What samples are compared with: statistics of real images in an extractor's features, computed once and kept."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganfreeze import cache
from ganfreeze.data import Dataset, Images
from ganfreeze.evaluation import Extractor
from ganfreeze.metrics.frechet import Gaussian, RunningMoments

_RECIPE = 1  # to be raised when what is kept changes, so that nobody takes an old file for a new one
_BATCH = 500


class Reference:
    """Statistics of a data set, each made when it is first asked for, or taken from `folder`/reference.

    `split` is "train" or "test"; `subset` the most images whose features are kept one by one.
    """

    def __init__(self, folder: str, dataset: Dataset, extractor: Extractor, *, split: str, subset: int) -> None:
        self._folder, self._dataset, self._extractor = Path(folder) / "reference", dataset, extractor
        self._split, self._subset = split, subset

    @cached_property
    def gaussian(self) -> Gaussian:
        """That of the features of all images of the split."""

        def make() -> cache.Arrays:
            images = getattr(self._dataset, self._split).images
            running = RunningMoments()
            for start in range(0, len(images), _BATCH):
                running.update(self._extractor.extract(images[start : start + _BATCH]).vectors)
            return Gaussian.of(running.moments()).arrays()

        return Gaussian.read(self._kept("gaussian", self._split, make))

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Those of a subset of the split, (n, d), in random order."""
        return self._features(self._split)

    @cached_property
    def both_splits(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The features of as many training as held-out images, (n, d) each."""
        train, test = self._features("train"), self._features("test")
        count = min(len(train), len(test))
        return train[:count], test[:count]

    def images(self, count: int) -> Images:
        """`count` images of the split, or all where it has no more, in the order of `features`."""
        return getattr(self._dataset, self._split).images[self._order(self._split)[:count]]

    def _features(self, split: str) -> NDArray[np.float32]:
        def make() -> cache.Arrays:
            return {"features": np.concatenate(list(self._extracted(split)))}

        return self._kept(f"features {self._subset}", split, make)["features"]

    def _extracted(self, split: str) -> Iterator[NDArray[np.float32]]:
        images, order = getattr(self._dataset, split).images, self._order(split)
        for start in range(0, len(order), _BATCH):
            yield self._extractor.extract(images[order[start : start + _BATCH]]).vectors

    def _order(self, split: str) -> NDArray[np.int64]:
        count = len(getattr(self._dataset, split).images)
        return np.random.default_rng(0).permutation(count)[: self._subset]

    def _kept(self, part: str, split: str, make: cache.Make) -> cache.Arrays:
        key = {"recipe": _RECIPE, "part": part, "data": self._dataset.digest, "split": split}
        return cache.arrays(self._folder, {**key, **self._extractor.identity}, make)
