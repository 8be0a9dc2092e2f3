"""The digits of scikit-learn: a small, real data set that needs no download."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Source, Split

_FILE = Path(__file__).with_name("digits.npz")  # importing scikit-learn would take a second


@dataclass(frozen=True)
class Digits(Source):
    """1,797 handwritten digits, 8x8, 17 grey levels scaled to 0..255. 360 of them, stratified by class, are held out.

    The file beside this module holds them as scikit-learn's `load_digits` and `train_test_split` (test_size=360,
    random_state=0, stratify=labels) return them.

    Source: Alpaydin & Kaynak 1998, the test set of UCI's optical recognition of handwritten digits.
    """

    def load(self) -> Dataset:
        with np.load(_FILE) as arrays:
            train, test = (
                Split(arrays[f"{part}_images"], arrays[f"{part}_labels"].astype(np.int64)) for part in ("train", "test")
            )
        return Dataset.of("digits", train, test, source="scikit-learn")
