"""Sources of data: real files, files written by the tests, and broken files."""

import gzip
import hashlib
import http.server
import io
import shutil
import struct
import tarfile
import threading
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import SHARED_DATA
from PIL import Image

from ganfreeze.data import download, idx
from ganfreeze.data.dataset import cifar10 as cifar10_module
from ganfreeze.data.dataset import mnist as mnist_module
from ganfreeze.data.dataset.base import Dataset, Split
from ganfreeze.data.dataset.cifar10 import Cifar10
from ganfreeze.data.dataset.dirac import Dirac
from ganfreeze.data.dataset.fashion_mnist import FashionMnist
from ganfreeze.data.dataset.image_folder import ImageFolder
from ganfreeze.data.dataset.mnist import Mnist
from ganfreeze.data.dataset.npz import Npz
from ganfreeze.errors import BadInput

NOWHERE = "http://127.0.0.1:9"


def idx_header(*shape):
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def mnist_files(tmp_path, random):
    """Write a tiny data set as MNIST's four files, gzipped; return their folder."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, count in (("train", 7), ("t10k", 3)):
        images = random.integers(0, 256, (count, 28, 28), np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    return folder


def mnist(data, cache, mirror=NOWHERE):
    return Mnist(data=str(data), cache=str(cache), mirror=mirror).load()


# ------------------------------------------------------------------------------------------------------- digits


def test_digits_are_those_of_scikit_learn(digits):
    """The images, the labels and the splits are all the same."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    expected = load_digits()
    images = np.rint(expected.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    parts = train_test_split(np.arange(len(images)), test_size=360, random_state=0, stratify=expected.target)
    for split, part in zip((digits.train, digits.test), parts, strict=True):
        np.testing.assert_array_equal(split.examples, images[part])
        np.testing.assert_array_equal(split.labels, expected.target[part])
    assert digits.example_shape == (8, 8, 1)
    assert digits.classes == 10
    assert digits.train.examples.max() == 255
    assert np.bincount(digits.test.labels).min() >= 34, "the held-out split has every class"


def test_the_digest_depends_on_the_content_only(digits):
    def digest(name, train):
        return Dataset.of(name, train, digits.test, source="").digest

    assert digest("other name", digits.train) == digits.digest
    changed = digits.train.examples.copy()
    changed[0, 0, 0, 0] += 1
    assert digest("digits", Split(changed, digits.train.labels)) != digits.digest
    assert digest("digits", Split(digits.train.examples, np.roll(digits.train.labels, 1))) != digits.digest


IMAGES, LABELS = np.zeros((5, 8, 8, 1), np.uint8), np.arange(5)

MISMATCHED = [
    (Split(IMAGES, LABELS), Split(IMAGES[:0], LABELS[:0]), "the test split is empty"),
    (Split(IMAGES[:, :0], LABELS), Split(IMAGES, LABELS), "the training split is empty"),
    (Split(IMAGES, LABELS), Split(IMAGES[:, :4], LABELS), r"different shapes, \(8, 8, 1\) and \(4, 8, 1\)"),
    (Split(IMAGES, LABELS), Split(IMAGES, None), "one split has labels and the other has none"),
    (Split(IMAGES, LABELS - 1), Split(IMAGES, LABELS), "training labels go from -1 to 3"),
    (Split(IMAGES, LABELS), Split(IMAGES, LABELS + 10**7), "there cannot be more classes than examples"),
]


@pytest.mark.parametrize(("train", "test", "message"), MISMATCHED)
def test_splits_that_do_not_match_are_refused(train, test, message):
    with pytest.raises(BadInput, match=f"dataset=x: .*{message}"):
        Dataset.of("x", train, test, source="")


def test_dirac_is_one_point():
    dataset = Dirac().load()
    for points, labels in (dataset.train, dataset.test):
        assert (points.shape, points.dtype, labels) == ((1024, 1), np.float32, None)
        assert not points.any()
    assert (dataset.name, dataset.example_shape, dataset.classes) == ("dirac", (1,), None)
    assert dataset.digest == Dirac().load().digest


# ---------------------------------------------------------------------------------------------------------- IDX


@pytest.mark.skipif(not (SHARED_DATA / "mnist").is_dir(), reason="MNIST is not in shared/data beside this checkout")
def test_mnist_is_read_completely(tmp_path):
    data = mnist(SHARED_DATA, tmp_path)
    assert (data.train.examples.shape, data.test.examples.shape) == ((60000, 28, 28, 1), (10000, 28, 28, 1))
    assert data.train.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert data.train.examples.mean() / 255 == pytest.approx(0.1307, abs=1e-4)  # the known mean and deviation
    assert data.train.examples.std() / 255 == pytest.approx(0.3081, abs=1e-4)


def test_four_idx_files_make_a_data_set(tmp_path, mnist_files):
    data = mnist(tmp_path, tmp_path)
    assert (len(data.train.examples), len(data.test.examples), data.classes) == (7, 3, 7)


def test_files_may_be_unpacked_and_the_data_folder_may_be_their_own(tmp_path, mnist_files):
    packed = mnist(tmp_path, tmp_path)
    for path in mnist_files.iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert mnist(tmp_path, tmp_path).digest == packed.digest
    assert mnist(mnist_files, tmp_path).digest == packed.digest


def test_mnist_files_are_not_taken_for_fashion_mnist(tmp_path, mnist_files):
    """The files of both have the same names."""
    for data in (tmp_path, mnist_files):
        with pytest.raises(BadInput, match="dataset=fashion_mnist needs"):
            FashionMnist(data=str(data), cache=str(tmp_path / "c"), mirror=NOWHERE).load()


BROKEN = [
    (lambda content: content[:-40], "is not a complete gzip file"),
    (lambda content: b"<html>404</html>", "is not a complete gzip file"),
    (lambda content: gzip.compress(gzip.decompress(content)[:-100]), "its header says"),
    (lambda content: gzip.compress(gzip.decompress(content) + b"x"), "its header says"),
    (lambda content: gzip.compress(b"\x89PNG and so on"), "is not an IDX file of unsigned bytes: it begins with 89 50"),
    (lambda content: gzip.compress(b""), "is not an IDX file of unsigned bytes: it begins with nothing"),
    (lambda content: gzip.compress(b"\0\0\x08\x03\0\0"), "is not an IDX file"),
    (lambda content: gzip.compress(b"\0\0\x0d\x01\0\0\0\x01abcd"), "is not an IDX file of unsigned bytes"),
    (lambda content: gzip.compress(b"\0\0\x08\xff" + 1020 * b"\0"), "has 255 dimensions; at most 8 are read"),
    (
        lambda content: gzip.compress(idx_header(2**31, 2**31, 4)),
        "holds 0 bytes .* is 18,446,744,073,709,551,616",
    ),
    (lambda content: gzip.compress(idx_header(*3 * [2**32 - 1])), "79,228,162,458,924,105,385,300,197,375"),
]


@pytest.mark.parametrize(("breaks", "message"), BROKEN)
def test_a_broken_idx_file_is_named(tmp_path, mnist_files, breaks, message):
    path = mnist_files / "train-images-idx3-ubyte.gz"
    path.write_bytes(breaks(path.read_bytes()))
    with pytest.raises(BadInput, match=f"{path}.* {message}"):
        mnist(tmp_path, tmp_path)


def test_labels_must_match_images(tmp_path, mnist_files):
    path = mnist_files / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(5, np.uint8))))
    with pytest.raises(BadInput, match=f"{path} holds labels of shape .5,. for 7 images"):
        mnist(tmp_path, tmp_path)
    (mnist_files / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros(7, np.uint8))))
    with pytest.raises(BadInput, match=r"images are \(n, height, width\)"):
        mnist(tmp_path, tmp_path)


@pytest.mark.parametrize("source", [Mnist, FashionMnist, Cifar10])
def test_the_message_for_missing_files_says_how_to_get_them(tmp_path, source):
    with pytest.raises(BadInput, match=r"could not be downloaded from http://127\.0\.0\.1:9") as error:
        source(data=str(tmp_path), cache=str(tmp_path), mirror=NOWHERE).load()
    assert str(tmp_path) in str(error.value)
    assert "paths.data=FOLDER or the environment variable GANFREEZE_DATA" in str(error.value)


# ----------------------------------------------------------------------------------------------------- download


@pytest.fixture
def server(tmp_path):
    """Serve the folder `tmp_path`/served on this machine; yield its URL, the folder and the list of requests."""
    served = tmp_path / "served"
    served.mkdir()
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(served))

        def log_message(self, *arguments):
            requests.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", served, requests
        running.shutdown()


def test_files_are_downloaded_once_and_their_checksums_are_verified(tmp_path, mnist_files, server, monkeypatch):
    url, served, requests = server
    local = mnist(tmp_path, tmp_path)
    checksums = {}
    for path in sorted(mnist_files.iterdir(), key=lambda path: list(mnist_module._CHECKSUMS).index(path.name)):
        checksums[path.name] = hashlib.md5(path.read_bytes()).hexdigest()
        path.rename(served / path.name)
    monkeypatch.setattr(mnist_module, "_CHECKSUMS", checksums)
    assert mnist(tmp_path, tmp_path / "cache", url).digest == local.digest
    assert len(requests) == 4
    assert mnist(tmp_path, tmp_path / "cache", url).digest == local.digest
    assert len(requests) == 4, "the second load reads the cache"


def test_a_wrong_checksum_is_refused_and_not_kept(tmp_path, server):
    url, served, _ = server
    (served / "file.gz").write_bytes(b"something else")
    with pytest.raises(BadInput, match=r"file.gz could not be downloaded .* hash .*\n.*do this"):
        download.fetch("file.gz", url=url, md5="0" * 32, folder=tmp_path / "cache", advice="do this")
    assert not list((tmp_path / "cache").glob("file.gz"))


# -------------------------------------------------------------------------------------------------------- CIFAR


def cifar_archive(path, random, *, count=2, leave_out="", cut=0):
    planes = {}
    with tarfile.open(path, "w:gz") as archive:
        for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
            if name == leave_out:
                continue
            planes[name] = random.integers(0, 256, (count, 3, 32, 32), np.uint8)
            labels = np.arange(count, dtype=np.uint8)[:, np.newaxis]
            content = np.hstack([labels, planes[name].reshape(count, -1)]).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content) - cut
            archive.addfile(member, io.BytesIO(content[: member.size]))
    return planes


def cifar10(folder):
    return Cifar10(data=str(folder), cache=str(folder), mirror=NOWHERE).load()


def test_cifar10_planes_become_channels(tmp_path, random):
    planes = cifar_archive(tmp_path / "cifar-10-binary.tar.gz", random)
    data = cifar10(tmp_path)
    assert (data.train.examples.shape, data.test.examples.shape) == ((10, 32, 32, 3), (2, 32, 32, 3))
    assert data.train.labels.tolist() == [0, 1] * 5
    np.testing.assert_array_equal(data.test.examples[1, :, :, 2], planes["test_batch.bin"][1, 2])


def test_broken_cifar10_archives_are_named(tmp_path, random, server, monkeypatch):
    path = tmp_path / "cifar-10-binary.tar.gz"
    cifar_archive(path, random, leave_out="data_batch_3.bin")
    with pytest.raises(BadInput, match=r"has no member cifar-10-batches-bin/data_batch_3.bin"):
        cifar10(tmp_path)
    cifar_archive(path, random, cut=5)
    with pytest.raises(BadInput, match=r"data_batch_1.bin holds 6,141 bytes, which is not a multiple of 3,073"):
        cifar10(tmp_path)
    cifar_archive(path, random)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadInput, match=f"{path} is not a complete tar.gz archive"):
        cifar10(tmp_path)
    path.unlink()
    url, served, _ = server
    cifar_archive(served / path.name, random)
    monkeypatch.setattr(cifar10_module, "_MD5", hashlib.md5((served / path.name).read_bytes()).hexdigest())
    assert len(Cifar10(data=str(tmp_path), cache=str(tmp_path / "c"), mirror=url).load().train.examples) == 10


# ---------------------------------------------------------------------------------------------------------- npz


def npz(path, held_out=0.1, **arrays):
    np.savez(path, **arrays)
    return Npz(path=str(path), held_out=held_out).load()


def test_npz_takes_the_layout_of_keras_and_a_plain_one(tmp_path, random):
    images = random.integers(0, 256, (20, 12, 12), np.uint8)
    labels = np.arange(20) % 4
    data = npz(tmp_path / "a.npz", x_train=images[:15], y_train=labels[:15], x_test=images[15:], y_test=labels[15:])
    assert (data.example_shape, data.classes) == ((12, 12, 1), 4)
    np.testing.assert_array_equal(data.test.examples[..., 0], images[15:])

    data = npz(tmp_path / "b.npz", held_out=0.25, images=images, labels=labels)
    assert (len(data.train.examples), len(data.test.examples)) == (15, 5)
    both = np.concatenate([data.train.examples, data.test.examples])[..., 0]
    assert sorted(map(bytes, both)) == sorted(map(bytes, images))
    assert npz(tmp_path / "c.npz", images=images).classes is None


BAD_ARRAYS = [
    ({"images": np.zeros((5, 8, 8))}, "images is float64 of shape .5, 8, 8.; images are uint8"),
    ({"images": np.zeros((5, 8, 8, 2), np.uint8)}, "with 1 or 3 channels"),
    ({"images": np.zeros((0, 8, 8), np.uint8)}, r"images is empty, of shape \(0, 8, 8\)"),
    ({"images": np.zeros((3, 8, 8), np.uint8)}, "dataset.held_out=0.1 of 3 images leaves no image"),
    ({"images": np.zeros((5, 8, 8), np.uint8), "labels": np.zeros(4, int)}, "one for each of the 5 images"),
    ({"images": np.zeros((5, 8, 8), np.uint8), "labels": np.zeros(5)}, "labels is float64"),
    ({"images": np.zeros((5, 8, 8), np.uint8), "labels": np.full(5, -1)}, "labels go from -1 to -1"),
    ({"pictures": np.zeros(3)}, "holds pictures; it must hold x_train and x_test"),
    ({"images": np.array([{}, {}], object)}, "cannot be read as an .npz archive of plain arrays"),
    (
        {"x_train": np.zeros((5, 8, 8), np.uint8), "x_test": np.zeros((5, 9, 9), np.uint8)},
        "training and test examples have different shapes",
    ),
]


@pytest.mark.parametrize(("arrays", "message"), BAD_ARRAYS)
def test_bad_npz_arrays_are_named(tmp_path, arrays, message):
    with pytest.raises(BadInput, match=f"dataset(.path={tmp_path}|=npz: ).*{message}"):
        npz(tmp_path / "bad.npz", **arrays)


def test_a_file_that_is_not_an_npz_archive_is_named(tmp_path):
    path = tmp_path / "no.npz"
    np.savez(path, images=np.zeros((50, 8, 8), np.uint8))
    np.save(tmp_path / "array.npy", np.zeros(5))
    for content in (b"text", b"", path.read_bytes()[:200], (tmp_path / "array.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"cannot be read as an \.npz archive"):
            Npz(path=str(path)).load()


# ------------------------------------------------------------------------------------------------- image folder


@pytest.fixture
def pictures(tmp_path, random):
    """Write two classes of ten pictures: wide, tall, grey, with transparency, PNG or JPEG. Return their folder."""
    root = tmp_path / "pictures"
    for kind, level in (("cats", 40), ("dogs", 200)):
        (root / kind).mkdir(parents=True)
        for number in range(10):
            size = (20 + number, 40) if number % 2 else (50, 24)
            mode = ("RGB", "L", "RGBA", "P")[number % 4]
            suffix = "jpeg" if mode == "RGB" else "PNG"
            Image.new("L", size, level + number).convert(mode).save(root / kind / f"{number}.{suffix}")
    return root


def folder(root, cache, **options):
    return ImageFolder(path=str(root), cache=str(cache), size=16, **options).load()


def test_image_folder_is_prepared_once_as_a_memory_map(tmp_path, pictures):
    data = folder(pictures, tmp_path)
    assert (data.example_shape, data.classes) == ((16, 16, 3), 2)
    assert (len(data.train.examples), len(data.test.examples)) == (18, 2)
    assert isinstance(data.train.examples, np.memmap)
    levels = np.concatenate([data.train.examples, data.test.examples]).mean((1, 2, 3))
    labels = np.concatenate([data.train.labels, data.test.labels])
    assert (np.abs(levels[labels == 0] - 45) < 8).all()
    assert (np.abs(levels[labels == 1] - 205) < 8).all()
    assert data.digest == Dataset.of("image_folder", data.train, data.test, source="").digest

    (array,) = tmp_path.glob("image_folder/*/images.npy")
    written = array.stat().st_mtime_ns
    assert folder(pictures, tmp_path).digest == data.digest
    assert array.stat().st_mtime_ns == written
    assert folder(pictures, tmp_path, grayscale=True).example_shape == (16, 16, 1)
    (pictures / "cats" / "0.jpeg").unlink()
    assert folder(pictures, tmp_path).digest != data.digest


def test_pictures_are_cropped_at_the_centre_and_resized(tmp_path):
    stripes = np.zeros((10, 30, 3), np.uint8)
    stripes[:, 10:20] = 255  # the centre square is white, the rest is black
    for number in range(2):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(stripes).save(tmp_path / "a" / f"{number}.png")
    data = ImageFolder(path=str(tmp_path), cache=str(tmp_path / "cache"), size=20, held_out=0.5).load()
    assert data.train.examples.shape == (1, 20, 20, 3)
    assert data.train.examples.min() == 255


def test_train_and_test_folders_are_the_splits(tmp_path, pictures):
    root = tmp_path / "split"
    (root / "train").mkdir(parents=True)
    (pictures / "cats").rename(root / "train" / "cats")
    (root / "test").mkdir()
    with pytest.raises(BadInput, match=f"dataset.path={root}: {root / 'test'} has no PNG, JPEG, WebP or BMP files"):
        folder(root, tmp_path)
    (pictures / "dogs").rename(root / "test" / "dogs")
    with pytest.raises(BadInput, match=r"test/ has classes that are not in train/: dogs"):
        folder(root, tmp_path)
    (root / "test" / "dogs").rename(root / "test" / "cats")
    data = folder(root, tmp_path)
    assert (len(data.train.examples), len(data.test.examples), data.classes) == (10, 10, 1)


def test_a_broken_picture_is_named_and_no_prepared_folder_is_left(tmp_path, pictures):
    broken = pictures / "dogs" / "1.PNG"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(BadInput, match=f"{broken} cannot be read as an image"):
        folder(pictures, tmp_path)
    assert not [path for path in (tmp_path / "image_folder").iterdir() if path.is_dir()]
    broken.unlink()
    assert len(folder(pictures, tmp_path).train.examples) == 17


def test_a_damaged_memory_map_is_prepared_again(tmp_path, pictures, caplog):
    before = folder(pictures, tmp_path).digest
    (array,) = tmp_path.glob("image_folder/*/images.npy")
    array.write_bytes(array.read_bytes()[:500])
    assert folder(pictures, tmp_path).digest == before
    assert "are broken" in caplog.text


@pytest.mark.parametrize("mutation", [("0131", "013f"), ("0131", "0129")])
def test_corrupt_exif_data_are_named(tmp_path, mutation):
    """Pillow raises a TypeError for the first, and a struct.error for the second."""
    (tmp_path / "a").mkdir()
    exif = Image.Exif()
    exif[0x010E], exif[0x0112], exif[0x0131] = "text", 3, "soft"  # a description, the orientation, a program
    corrupt = bytes.fromhex(exif.tobytes().hex().replace(*mutation))
    for number in range(2):
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "a" / f"{number}.jpg", exif=corrupt)
    with pytest.raises(BadInput, match=r"\d\.jpg cannot be read as an image .* Repair it or remove it"):
        folder(tmp_path, tmp_path / "cache", held_out=0.5)


def test_a_disk_that_is_too_small_is_refused_before_images_are_prepared(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(BadInput, match=r"has 0.0 GB free; these images need .* Set paths.cache=FOLDER"):
        folder(pictures, tmp_path)


def test_a_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(BadInput, match="there is no such folder"):
        folder(tmp_path / "nowhere", tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.gif").touch()
    with pytest.raises(BadInput, match=r"has no PNG, JPEG, WebP or BMP files; left out: 1 of other types \(a/x.gif\)"):
        folder(tmp_path, tmp_path / "cache")


def test_the_header_of_an_idx_file_may_have_any_rank(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "x").write_bytes(idx_bytes(array))
    np.testing.assert_array_equal(idx.read(tmp_path / "x"), array)
    (tmp_path / "empty").write_bytes(idx_header(0, 28, 28))
    assert idx.read(tmp_path / "empty").shape == (0, 28, 28)


def test_no_more_is_decompressed_than_the_header_announces(tmp_path):
    """300 kB that would become 300 MB."""
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(idx_header(5) + bytes(300 * 2**20)))
    tracemalloc.start()
    with pytest.raises(BadInput, match=r"holds more bytes of data; its header says \(5,\), which is 5"):
        idx.read(tmp_path / "bomb.gz")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20
