"""The digits that come with scikit-learn: small, real, and at hand without a download."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganfreeze.data.dataset.base import Dataset
from ganfreeze.data.dataset.base import Source
from ganfreeze.data.dataset.base import Split

_FILE = Path(__file__).with_name("digits.npz")  # scikit-learn's own take a second to import it


@dataclass(frozen=True)
class Digits(Source):
    """1,797 handwritten digits, 8x8, 17 grey levels scaled to 0..255; 360 of them, class by class, are held out.

    They lie beside this module as scikit-learn's `load_digits` and `train_test_split` (test_size=360, random_state=0,
    stratify=labels) give them.

    Source: Alpaydin & Kaynak 1998, the test set of UCI's optical recognition of handwritten digits.
    """

    def load(self) -> Dataset:
        with np.load(_FILE) as arrays:
            train, test = (
                Split(arrays[f"{part}_images"], arrays[f"{part}_labels"].astype(np.int64)) for part in ("train", "test")
            )
        return Dataset.of("digits", train, test, source="scikit-learn")
