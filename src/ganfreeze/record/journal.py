"""The journal of a run: a file to which records are only ever appended, each with a checksum.

What was appended survives the death of the process. Whatever happens to a part of the file, the other records are read.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

Record = Mapping[str, Any]  # what JSON can hold

_MOST_BYTES = 2**24  # of a line: no more of a damaged file is read at once


class Journal:
    """A file of records, one in each line: the CRC-32 in hexadecimal, a space, and the record as JSON.

    If the file cannot be written, because the disk is full for example, records wait in memory, and the next `append`
    writes them too. `unwritten` is the number of these, and `problem` says why they wait.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting = bytearray()
        self.unwritten, self.problem = 0, ""

    def append(self, record: Record) -> None:
        """Write a record, after those that still wait. Raises no OSError: see `unwritten`."""
        content = json.dumps(record, separators=(",", ":")).encode()
        self._waiting += b"%08x %s\n" % (crc32(content), content)
        self.unwritten += 1
        try:
            self._write()
        except OSError as error:
            self.problem = str(error)
        else:
            self.unwritten, self.problem = 0, ""

    def _write(self) -> None:
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":  # a process died while it wrote a line
                os.write(file, b"~\n")  # spoils it, for it may be whole but for its end, and will be written again
            while self._waiting:
                written = os.write(file, self._waiting)
                whole = self._waiting.rfind(b"\n", 0, written) + 1
                del self._waiting[:whole]
                if whole < written:  # the next attempt writes this line from its beginning
                    raise OSError(f"{self._path}: only a part of a record could be written")
        finally:
            os.close(file)


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a journal that are whole, in order. Lines that are damaged are left out."""
    with path.open("rb") as file:
        while line := file.readline(_MOST_BYTES):
            record = _record(line)
            if record is not None:
                yield record


def _record(line: bytes) -> Record | None:
    checksum, _, content = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % crc32(content):
        return None
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):  # somebody else wrote this line
        return None
    return record if isinstance(record, dict) else None
