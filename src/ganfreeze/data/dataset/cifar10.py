"""CIFAR-10."""

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganfreeze.data import download
from ganfreeze.data.dataset.base import Dataset, Source, Split
from ganfreeze.errors import BadInput

_ARCHIVE = "cifar-10-binary.tar.gz"
_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_TRAIN = [f"data_batch_{number}.bin" for number in range(1, 6)]
_TEST = ["test_batch.bin"]
_RECORD = 1 + 3 * 32 * 32  # a label, then the red, the green and the blue plane


@dataclass(frozen=True, kw_only=True)
class Cifar10(Source):
    """50,000 photographs of 10 classes to train on and 10,000 to test, 32x32 RGB.

    The archive of the binary version comes from `data` or `mirror`.

    Source: Krizhevsky 2009.
    """

    data: str
    cache: str
    mirror: str

    def load(self) -> Dataset:
        folders = [Path(self.data) / "cifar10", Path(self.data)]
        advice = (
            f"dataset=cifar10 needs {_ARCHIVE}. It was looked for in {folders[0]} and in {folders[1]}: put it there, "
            "or set paths.data=FOLDER or the environment variable GANFREEZE_DATA."
        )
        path = download.find(_ARCHIVE, folders=folders) or download.fetch(
            _ARCHIVE, url=self.mirror, md5=_MD5, folder=Path(self.cache) / "cifar10", advice=advice
        )
        try:
            with tarfile.open(path) as archive:
                splits = [_split(archive, path, names) for names in (_TRAIN, _TEST)]
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise BadInput(
                f"{path} is not a complete tar.gz archive ({error}). Replace it with a fresh copy."
            ) from error
        return Dataset.of("cifar10", *splits, source=str(path))


def _split(archive: tarfile.TarFile, path: Path, names: list[str]) -> Split:
    records = np.concatenate([_records(archive, path, name) for name in names])
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Split(np.ascontiguousarray(images), records[:, 0].astype(np.int64))


def _records(archive: tarfile.TarFile, path: Path, name: str) -> np.ndarray:
    try:
        member = archive.extractfile(f"cifar-10-batches-bin/{name}")
    except KeyError:
        member = None
    if member is None:
        raise BadInput(f"{path} has no member cifar-10-batches-bin/{name}: is it the binary version of CIFAR-10?")
    content = np.frombuffer(member.read(), np.uint8)
    if not content.size or content.size % _RECORD:
        raise BadInput(f"{path}: {name} holds {content.size:,} bytes, which is not a multiple of {_RECORD:,}.")
    return content.reshape(-1, _RECORD)
