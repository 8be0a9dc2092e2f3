"""The digits that come with scikit-learn: small, real, and at hand without a download."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganfreeze.data import Dataset, Source, Split

HELD_OUT = 360  # a fifth


@dataclass(frozen=True)
class Digits(Source):
    """1,797 handwritten digits, 8x8, 17 grey levels scaled to 0..255; 360 of them, class by class, are held out.

    Source: Alpaydin & Kaynak 1998, the test set of UCI's optical recognition of handwritten digits.
    """

    def load(self) -> Dataset:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits: Any = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
        labels = digits.target.astype(np.int64)
        train, test = train_test_split(np.arange(len(images)), test_size=HELD_OUT, random_state=0, stratify=labels)
        splits = [Split(images[part], labels[part]) for part in (train, test)]
        return Dataset.of("digits", *splits, source="scikit-learn")
