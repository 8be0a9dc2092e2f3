"""Files that were damaged or made to do harm: each reader returns data, or one sentence that names the file.

`pytest -m slow -n0 -s tests/data/test_hostile_files.py` tries 10,000 files of each format, with ten seeds.
"""

import contextlib
import gzip
import hashlib
import io
import logging
import pickle
import re
import resource
import shutil
import signal
import struct
import zlib
from collections import Counter
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hostile_files import (
    ARRAYS,
    ELSEWHERE,
    JPEGS,
    PICKLES,
    Payload,
    bmp,
    bmp_files,
    chunk,
    cifar_files,
    cifar_member,
    damaged,
    idx_files,
    idx_gz_files,
    jpeg_files,
    mostly,
    npy_files,
    npz_files,
    png,
    png_files,
    riff,
    tar_member,
    webp_files,
    zip_entry,
    zip_file,
)
from hypothesis import strategies as st
from PIL import Image

from ganfreeze.data import idx
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.data.dataset.cifar10 import Cifar10
from ganfreeze.data.dataset.image_folder import ImageFolder
from ganfreeze.data.dataset.npz import Npz
from ganfreeze.errors import BadInput, one_line
from ganfreeze.evaluation import cache

pytestmark = pytest.mark.filterwarnings("ignore")  # of Pillow and NumPy, about odd headers
SECONDS = 2
MEMORY = 2**26  # 64 MiB beside what a byte can become:
MEMORY_A_BYTE = 2**16  # 8,256 pixels of 1 to 4 bytes, or of 6 with the coefficients of a progressive JPEG
LONGEST = 300  # characters of a message, without the path
NOWHERE = "http://127.0.0.1:9"


class Hang(BaseException):
    """A reader took more than two seconds of the processor. It is no Exception, so that no reader catches it."""


@contextlib.contextmanager
def bounded(size):
    """Stop what takes too long, and refuse memory beyond what a file of `size` bytes may take."""

    def stop(*_):
        raise Hang

    limits = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY + MEMORY_A_BYTE * size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder with the folders `in` and `cache`. It is the current folder, two levels below `tmp_path`."""
    place = tmp_path / "a" / "b"
    for name in ("in", "cache"):
        (place / name).mkdir(parents=True)
    monkeypatch.chdir(place)
    return place


def nothing_else_was_written(place):
    assert [path.name for path in place.parent.parent.iterdir()] == ["a"]
    assert [path.name for path in place.parent.iterdir()] == ["b"]
    assert sorted(path.name for path in place.iterdir()) == ["cache", "in"], "a pickle was executed"
    assert not list(Path(ELSEWHERE).parent.glob(f"{Path(ELSEWHERE).name}*"))


def result(read, path, content):
    """Return what `read` returns for a file of this content, or the message of its BadInput."""
    path.write_bytes(content)
    try:
        with bounded(len(content)):
            return read()
    except BadInput as error:
        message = str(error)
        assert str(path) in message
        assert message.isprintable(), "one line"
        assert len(message.replace(str(path), "")) <= LONGEST
        causes = [error]
        while cause := causes[-1].__cause__ or causes[-1].__context__:
            causes.append(cause)
        assert not any(isinstance(cause, MemoryError) for cause in causes), "the memory that was allowed is enough"
        return message


def images_of(data, shape=None, channels=(1, 3)):
    for split in (data.train, data.test):
        assert split.examples.dtype == np.uint8
        assert split.examples.ndim == 4
        assert split.examples.shape[-1] in channels
        assert shape is None or split.examples.shape == shape
        assert split.labels is None or split.labels.shape == split.examples.shape[:1]


# -------------------------------------------------------------------------------------------------- the readers


class Reader:
    """A reader of one format in a folder: `read` returns a result or a message, and asserts that a result is valid."""

    def __init__(self, place):
        self.place = place

    def read(self, content):
        raise NotImplementedError


class Idx(Reader):
    suffix = ""

    def read(self, content):
        path = self.place / "in" / f"images{self.suffix}"
        array = result(lambda: idx.read(path), path, content)
        if not isinstance(array, str):
            assert array.dtype == np.uint8
            self.compare(array, content)
        return array

    def compare(self, array, content):
        assert struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes() == content[4:]


class IdxGz(Idx):
    suffix = ".gz"

    def compare(self, array, content):
        super().compare(array, gzip.decompress(content))


class NpzReader(Reader):
    def read(self, content):
        path = self.place / "in" / "images.npz"
        data = result(Npz(path=str(path), held_out=0.25).load, path, content)
        if not isinstance(data, str):
            images_of(data)
        return data


class Picture(Reader):
    suffix = "png"

    def read(self, content):
        folder, store = self.place / "in" / "class", self.place / "cache"
        folder.mkdir(exist_ok=True)
        (folder / "0.png").write_bytes(png(8, 8))
        source = ImageFolder(path=str(folder.parent), cache=str(store), size=8, held_out=0.5)
        data = result(source.load, folder / f"1.{self.suffix}", content)
        if not isinstance(data, str):
            images_of(data, (1, 8, 8, 3))
        shutil.rmtree(store)
        store.mkdir()
        return data


class Photograph(Picture):
    suffix = "jpg"


class WebP(Picture):
    suffix = "webp"


class Bitmap(Picture):
    suffix = "bmp"


class Cifar(Reader):
    def read(self, content):
        folder = self.place / "in"
        path = folder / "cifar-10-binary.tar.gz"
        data = result(Cifar10(data=str(folder), cache=str(self.place / "cache"), mirror=NOWHERE).load, path, content)
        if not isinstance(data, str):
            images_of(data, channels=(3,))
        return data


class Warnings(logging.Handler):
    """The warnings of the package, as texts."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []
        logging.getLogger("ganfreeze").addHandler(self)

    def emit(self, record):
        self.texts.append(record.getMessage())

    def one(self, path):
        """Return the one warning, which names the file and is one line."""
        (text,) = self.texts
        assert str(path) in text
        assert text.isprintable()
        assert "MemoryError" not in text
        return text


STATISTICS = {"mean": np.linspace(0, 1, 3), "count": np.array(7)}


class Statistics(Reader):
    """The cache of arrays. Content that begins with its checksum may have been made by anybody, so only harm counts."""

    def __init__(self, place):
        super().__init__(place)
        self.made, self.warnings = 0, Warnings()
        self.arrays()
        (self.path,) = (place / "cache").glob("*.npz")
        self.valid = self.path.read_bytes()

    def arrays(self):
        return cache.arrays(self.place / "cache", {"key": 1}, self.make)

    def make(self):
        self.made += 1
        return STATISTICS

    def read(self, content):
        self.made, self.warnings.texts = 0, []
        arrays = result(self.arrays, self.path, content)
        if self.made:
            self.warnings.one(self.path)
            assert self.path.read_bytes() == self.valid, "it is written again"
        else:
            assert content == self.valid or hashlib.sha256(content[64:]).hexdigest().encode() == content[:64]
            assert not any(array.dtype.hasobject for array in arrays.values())
        if self.made or content == self.valid:
            assert {name: array.tolist() for name, array in arrays.items()} == {"mean": [0, 0.5, 1], "count": 7}
        return self.warnings.texts[0] if self.made else arrays


class PreparedImages(Reader):
    """The cache of an image folder. The content is the name of one of its files, and what this holds."""

    def __init__(self, place):
        super().__init__(place)
        for number in range(4):
            folder = place / "in" / f"class{number % 2}"
            folder.mkdir(exist_ok=True)
            Image.new("RGB", (4, 4), (number * 50, 0, 9)).save(folder / f"{number}.png")
        self.source = ImageFolder(path=str(place / "in"), cache=str(place / "cache"), size=4, held_out=0.5)
        self.warnings, data = Warnings(), self.source.load()
        self.digest, self.truth = data.digest, [np.array(array) for array in (*data.train, *data.test)]
        (self.folder,) = (path for path in (place / "cache" / "image_folder").iterdir() if path.is_dir())
        self.valid = {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def read(self, content):
        name, content = content
        self.warnings.texts = []
        data = result(self.source.load, self.folder / name, content)
        assert data.digest == self.digest
        for array, truth in zip((*data.train, *data.test), self.truth, strict=True):
            np.testing.assert_array_equal(array, truth)
        assert {path.name for path in self.folder.iterdir()} == set(self.valid)
        if not self.warnings.texts:
            return data
        assert {path.name: path.read_bytes() for path in self.folder.iterdir()} == self.valid, "they are prepared again"
        return self.warnings.one(self.folder)


VALID_STATISTICS = io.BytesIO()
np.savez(VALID_STATISTICS, **STATISTICS)


def with_checksum(content):
    return hashlib.sha256(content).hexdigest().encode() + content


statistics_files = damaged(with_checksum(VALID_STATISTICS.getvalue())) | npz_files().map(with_checksum)
IMAGES = np.repeat(np.array([[0, 0, 9], [100, 0, 9], [50, 0, 9], [150, 0, 9]], np.uint8), 16, 0).reshape(4, 4, 4, 3)
prepared_files = st.one_of(
    *(
        st.tuples(st.just(name), npy_files(array).flatmap(damaged) | st.sampled_from(PICKLES) | npz_files())
        for name, array in (("images.npy", IMAGES), ("labels.npy", np.array([0, 1, 0, 1])))
    ),
    st.tuples(st.just("digest"), mostly(b"0" * 64, st.binary(max_size=80))),
)

FORMATS = {
    "idx": (Idx, idx_files),
    "idx.gz": (IdxGz, idx_gz_files()),
    "npz": (NpzReader, npz_files()),
    "png": (Picture, png_files()),
    "jpeg": (Photograph, jpeg_files()),
    "webp": (WebP, webp_files()),
    "bmp": (Bitmap, bmp_files()),
    "cifar10": (Cifar, cifar_files()),
    "statistics": (Statistics, statistics_files),
    "prepared images": (PreparedImages, prepared_files),
}


PASSED = {name: set() for name in FORMATS}  # the files so far, of all seeds: Hypothesis draws many twice


def tried(name, place, *, examples, seed=None):
    """Read this many new files of a format. Return how many were read, and how many were refused or computed again."""
    reader_class, files = FORMATS[name]
    reader, counts = reader_class(place), Counter()

    @hypothesis.settings(
        max_examples=examples,
        derandomize=seed is None,
        deadline=None,  # `bounded` counts the processor's time
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(files)
    def read(content):
        hypothesis.assume(content not in PASSED[name])
        refused = isinstance(reader.read(content), str)
        nothing_else_was_written(place)
        counts["refused" if refused else "read"] += 1
        PASSED[name].add(content)

    (read if seed is None else hypothesis.seed(seed)(read))()
    return counts


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_files_are_read_or_refused_in_one_sentence(name, place):
    counts = tried(name, place, examples=150)
    assert counts["read"] and counts["refused"], "the strategy reaches both ends"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", FORMATS)
def test_a_thousand_more_hostile_files_for_each_seed(name, seed, place):
    counts = tried(name, place, examples=1000, seed=seed)
    print(f"{name}, seed {seed}: {dict(counts)}, {len(PASSED[name]):,} different files")
    assert counts.total() >= 1000


# ----------------------------------------------------------------------------------------------- explicit files


def npy(description, shape, data=b""):
    header = f"{{'descr': {description}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def npz(content, name=b"images.npy", **lies):
    return zip_file([zip_entry(name, content, **lies)])


def tar_gz(*members):
    return gzip.compress(b"".join(members) + bytes(1024))


def jpeg_with_exif(*entries, count=None):
    """Return a JPEG file with these entries of EXIF data: tag, type, count and value."""
    tiff = b"MM\0*" + struct.pack(">IH", 8, len(entries) if count is None else count)
    data = b"Exif\0\0" + tiff + b"".join(struct.pack(">HHII", *entry) for entry in entries) + bytes(4)
    return JPEGS[0][:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + JPEGS[0][2:]


PIXELS = ARRAYS["images"].tobytes()
GOOD_NPY = npy("'|u1'", "(4, 6, 6)", PIXELS)
MEMBERS = [cifar_member(number) for number in range(6)]
THE_LARGEST = struct.pack(">III", 2**32 - 1, 2**32 - 1, 2**32 - 1)

REFUSED = {
    "IDX of rank 255": (Idx, b"\0\0\x08\xff" + bytes(1020), "has 255 dimensions; at most 8"),
    "IDX of 2^64 bytes": (Idx, b"\0\0\x08\3" + struct.pack(">III", 2**31, 2**31, 4), "which is 18,446,744,073,709,551"),
    "IDX of 2^96 bytes": (Idx, b"\0\0\x08\3" + THE_LARGEST, "which is 79,228,162,458,924,105,385,300,197,375"),
    "IDX of no bytes in 2^96 rows": (Idx, b"\0\0\x08\4" + THE_LARGEST + bytes(4), "which no array can have"),
    "IDX in a gzip bomb": (IdxGz, gzip.compress(b"\0\0\x08\1\0\0\0\5" + bytes(2**25)), "holds more bytes of data"),
    "npz with a pickle": (NpzReader, npz(npy("'|O'", "(4,)", PICKLES[1])), "Python objects .* are never loaded"),
    "npz that is a pickle": (NpzReader, PICKLES[2], "cannot be read as an .npz archive"),
    "npz of one huge array": (NpzReader, npz(npy("'|u1'", "(99999, 99999, 3)")), "29,999,400,003 bytes; 0 are there"),
    "npz of 2^64 bytes": (NpzReader, npz(npy("'|u1'", f"({2**32}, {2**32})")), "18,446,744,073,709,551,616 bytes; 0"),
    "npz of an empty array": (NpzReader, npz(npy("'|u1'", f"({2**40}, 0, 1)")), "images is empty"),
    "npz of negative sizes": (NpzReader, npz(npy("'|u1'", "(-4, -6, 6)", PIXELS)), "its header says shape .-4, -6, 6"),
    "npz whose sizes lie": (NpzReader, npz(GOOD_NPY, size=2**32 - 1), "announces 4,294,967,295 bytes, which"),
    "npz by bzip2": (NpzReader, npz(GOOD_NPY, method=12), "neither stored nor deflated"),
    "npz with a password": (NpzReader, npz(GOOD_NPY, flags=1, local_flags=1), "is encrypted, password required"),
    "npz with a header of no tokens": (NpzReader, npz(npy("'''", "(4, 6, 6)")), "EOF in multi-line string"),
    "npz with many types": (NpzReader, npz(npy("['u1', 'u1']", "'\\n\\x1b'")), "cannot be read as an .npz archive"),
    "npz with a path as name": (NpzReader, npz(GOOD_NPY, b"../../\x1bevil\n.npy"), r"holds \.\./\.\./ evil; it must"),
    "PNG of 10^10 pixels": (Picture, png(100_000, 100_000), r"too large \(Image size \(10000000000 pixels\) exceeds"),
    "PNG of 10^8 pixels": (Picture, png(10_000, 10_000), r"too large \(Image size \(100000000 pixels\) exceeds"),
    "PNG of 64 million pixels": (Picture, png(8000, 8000), r"says 8,000 x 8,000 pixels, which \d+ bytes cannot hold"),
    "PNG with a bomb of text": (
        Picture,
        png(8, 8, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**25)))),
        "Decompressed data too large",
    ),
    "WebP of 3 million pixels": (
        WebP,
        riff((b"VP8L", b"\x2f" + struct.pack("<I", 1999 | 1499 << 14) + bytes(13), None)),
        r"says 2,000 x 1,500 pixels, which \d+ bytes cannot hold",
    ),
    "BMP of 10^10 pixels": (Bitmap, bmp(100_000, 100_000), r"too large \(Image size \(10000000000 pixels\) exceeds"),
    "BMP of 64 million pixels": (Bitmap, bmp(8000, 8000, bits=1), r"says 8,000 x 8,000 pixels, which \d+ bytes cannot"),
    "BMP without pixels": (Bitmap, bmp(8, 8, data=b""), "cannot be read as an image of PNG, JPEG, WebP or BMP"),
    "GIF called PNG": (Picture, b"GIF89a\1\0\1\0\0\0\0;", "cannot be read as an image of PNG, JPEG, WebP or BMP"),
    "EPS called PNG": (
        Picture,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        "its header is not theirs",
    ),
    "tar with a negative size": (Cifar, tar_gz(tar_member(b"a", b"", size=b"\xff" * 12)), "too large to be of CIFAR"),
    "tar with a link to itself": (
        Cifar,
        tar_gz(tar_member(b"cifar-10-batches-bin/data_batch_1.bin", b"", b"2", link=b"data_batch_1.bin"), *MEMBERS[1:]),
        "has no member cifar-10-batches-bin/data_batch_1.bin",
    ),
    "tar with a huge extended header": (
        Cifar,
        tar_gz(tar_member(b"a", b"", b"x", size=b"77777777777\0")),
        "8,589,934,591 bytes is too large",
    ),
    "tar with an endless number": (Cifar, tar_gz(tar_member(b"a", b"9" * 10**6, b"x")), "has no member"),
    "tar in a gzip bomb": (Cifar, gzip.compress(tar_member(b"a", bytes(2**24)) * 17, 1), "too large to be of CIFAR"),
    "statistics that are no archive": (Statistics, with_checksum(b"PK\3\4"), "File is not a zip file"),
    "statistics with a pickle": (Statistics, with_checksum(npz(npy("'|O'", "()", PICKLES[1]))), "are never loaded"),
    "statistics of one huge array": (Statistics, with_checksum(npz(npy("'<f8'", f"({2**33},)"))), "0 are there"),
    "images that are a pickle": (PreparedImages, ("images.npy", PICKLES[1]), "are broken"),
    "labels that are a pickle": (PreparedImages, ("labels.npy", npy("'|O'", "(4,)", PICKLES[1])), "are never loaded"),
    "labels of 2^40 rows": (PreparedImages, ("labels.npy", npy("'<i8'", f"({2**40}, 0)")), "the shapes are"),
    "labels of 64 GB": (PreparedImages, ("labels.npy", npy("'<i8'", f"({2**33},)")), "0 are there"),
    "images with one other pixel": (
        PreparedImages,
        ("images.npy", npy("'|u1'", "(4, 4, 4, 3)", b"\1" + IMAGES.tobytes()[1:])),
        "they do not match their digest",
    ),
    "a digest that is no text": (PreparedImages, ("digest", b"\xff"), "can't decode byte 0xff"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_these_files_are_refused_in_these_words(name, place):
    reader_class, content, message = REFUSED[name]
    refusal = reader_class(place).read(content)
    assert isinstance(refusal, str), "it was read"
    assert re.search(message, refusal)
    nothing_else_was_written(place)


READ = {
    "npz with a path beside the images": (
        NpzReader,
        zip_file([zip_entry(b"../../evil.npy", npy("'<i8'", "()", bytes(8))), zip_entry(b"images.npy", GOOD_NPY)]),
    ),
    "npz with a pickle that is no array": (
        NpzReader,
        zip_file([zip_entry(b"data.pkl", PICKLES[1]), zip_entry(b"images.npy", GOOD_NPY)]),
    ),
    "tar with paths": (Cifar, tar_gz(tar_member(b"../../evil", b"1"), tar_member(ELSEWHERE.encode(), b"1"), *MEMBERS)),
    "PNG with pixels of 4 GB": (Picture, png(8, 8).replace(b"\0\0\0\x0cIDAT", b"\xff\0\0\x0cIDAT")),
    "JPEG with an absurd orientation": (Photograph, jpeg_with_exif((0x0112, 3, 1, 999 << 16))),
    "JPEG with absurd tags": (
        Photograph,
        jpeg_with_exif((0x0112, 3, 1, 3 << 16), (0x0131, 14, 2**32 - 1, 2**32 - 1), count=65535),
    ),
    "JPEG with a directory that is not there": (Photograph, jpeg_with_exif((0x8769, 4, 1, 2**32 - 1))),
}


@pytest.mark.parametrize("name", READ)
def test_these_files_are_read_and_do_no_harm(name, place):
    reader_class, content = READ[name]
    assert isinstance(reader_class(place).read(content), Dataset)
    nothing_else_was_written(place)


def test_what_a_file_chose_is_said_in_one_short_line():
    assert one_line(ValueError("a\n\tb \x1b[31m\u2028c\0")) == "a b [31m c"
    assert one_line(MemoryError()) == "MemoryError"
    assert one_line("x" * 200) == "x" * 200
    assert one_line("x" * 201) == "x" * 197 + "..."


def test_the_pickle_would_write_a_file_if_it_were_loaded(place):
    """The trap works: this is what the other tests look for."""
    pickle.loads(pickle.dumps(Payload())).close()
    with pytest.raises(AssertionError, match="a pickle was executed"):
        nothing_else_was_written(place)


def test_the_bounds_of_time_and_memory_work():
    with pytest.raises(MemoryError), bounded(0):
        bytearray(2 * MEMORY)
    with pytest.raises(Hang), bounded(0):
        while True:
            sum(range(1000))
