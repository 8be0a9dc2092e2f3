"""MNIST."""

from dataclasses import dataclass

from ganfreeze.data import idx
from ganfreeze.data.dataset.base import Dataset, Source
from ganfreeze.types import Address, Folder

_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


@dataclass(frozen=True, kw_only=True)
class Mnist(Source):
    """60,000 handwritten digits to train on and 10,000 to test, 28x28 grey.

    Source: LeCun, Bottou, Bengio, Haffner 1998.
    """

    data: Folder
    cache: Folder
    mirror: Address

    def load(self) -> Dataset:
        return idx.load("mnist", data=self.data, cache=self.cache, mirror=self.mirror, checksums=_CHECKSUMS)
