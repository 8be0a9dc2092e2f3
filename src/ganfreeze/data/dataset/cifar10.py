"""CIFAR-10."""

import gzip
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from ganfreeze.data import download
from ganfreeze.data.dataset.base import Dataset, Source, Split
from ganfreeze.errors import BadInput, one_line
from ganfreeze.types import Address, Folder

_ARCHIVE = "cifar-10-binary.tar.gz"
_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_TRAIN = [f"data_batch_{number}.bin" for number in range(1, 6)]
_TEST = ["test_batch.bin"]
_RECORD = 1 + 3 * 32 * 32  # a label, then the red, the green and the blue plane
_BATCH = 10_000 * _RECORD
_BLOCK = 512
_MOST_UNPACKED = 2**28  # the archive unpacks to 184 MB


@dataclass(frozen=True, kw_only=True)
class Cifar10(Source):
    """50,000 photographs of 10 classes to train on and 10,000 to test, 32x32 RGB.

    Source: Krizhevsky 2009.
    """

    data: Folder
    cache: Folder
    mirror: Address

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
            with path.open("rb") as file:
                members = dict(_members(gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file))
        except Exception as error:  # gzip, zlib and tarfile raise many kinds on broken files
            raise BadInput(
                f"{path} is not a complete tar.gz archive ({one_line(error)}). Replace it with a fresh copy."
            ) from error
        splits = [_split(members, path, names) for names in (_TRAIN, _TEST)]
        return Dataset.of("cifar10", *splits, source=str(path))


def _members(stream: BufferedIOBase) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each plain file of a tar archive, of at most 10,000 records.

    `tarfile` parses single headers only. Its walk through an archive follows a link to itself and takes the memory that
    an extended header announces; early versions for Python 3.11 also backtrack for hours in long numbers
    (CVE-2024-6232), or never end for negative sizes (CVE-2025-8194).
    """
    unpacked = 0
    while (header := stream.read(_BLOCK)).strip(b"\0"):
        member = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
        unpacked += member.size
        if not 0 <= member.size <= _BATCH or unpacked > _MOST_UNPACKED:
            raise ValueError(f"{member.name} of {member.size:,} bytes is too large to be of CIFAR-10")
        content = stream.read(member.size)
        if len(content) < member.size:
            raise ValueError(f"{member.name} has {len(content):,} bytes instead of {member.size:,}")
        stream.read(-member.size % _BLOCK)
        if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            yield member.name, content
    stream.read(_BATCH)  # what fills the last record; at its end gzip compares its checksum


def _split(members: dict[str, bytes], path: Path, names: list[str]) -> Split:
    records = np.concatenate([_records(members, path, name) for name in names])
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Split(np.ascontiguousarray(images), records[:, 0].astype(np.int64))


def _records(members: dict[str, bytes], path: Path, name: str) -> np.ndarray:
    if (member := members.get(f"cifar-10-batches-bin/{name}")) is None:
        raise BadInput(f"{path} has no member cifar-10-batches-bin/{name}: is it the binary version of CIFAR-10?")
    content = np.frombuffer(member, np.uint8)
    if not content.size or content.size % _RECORD:
        raise BadInput(f"{path}: {name} holds {content.size:,} bytes, which is not a multiple of {_RECORD:,}.")
    return content.reshape(-1, _RECORD)
