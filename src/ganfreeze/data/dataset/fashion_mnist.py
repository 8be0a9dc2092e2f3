"""Fashion-MNIST."""

from dataclasses import dataclass

from ganfreeze.data import idx
from ganfreeze.data.dataset.base import Dataset, Source
from ganfreeze.types import Address, Folder

_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}


@dataclass(frozen=True, kw_only=True)
class FashionMnist(Source):
    """60,000 images of clothing to train on and 10,000 to test, 28x28 grey, in MNIST's format.

    Source: Xiao, Rasul, Vollgraf 2017.
    """

    data: Folder
    cache: Folder
    mirror: Address

    def load(self) -> Dataset:
        return idx.load("fashion_mnist", data=self.data, cache=self.cache, mirror=self.mirror, checksums=_CHECKSUMS)
