"""Image folders as people have them: flat, nested, with hidden files; their classes, and what is said of them."""

import logging
import shutil

import numpy as np
import pytest
from PIL import Image

from ganfreeze.data.dataset import image_folder
from ganfreeze.data.dataset.base import Dataset, Split
from ganfreeze.data.dataset.image_folder import ImageFolder
from ganfreeze.data.image_listing import listing
from ganfreeze.errors import BadInput


@pytest.fixture
def root(tmp_path):
    """Return the folder that the images of a test lie in."""
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


@pytest.fixture
def load(root, tmp_path, caplog):
    """Return a function that loads the folder. It returns the data set, and the lines that were said."""

    def load_folder(**options):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            data = ImageFolder(**{"path": str(root), "cache": str(tmp_path / "cache"), "size": 16, **options}).load()
        return data, caplog.messages

    return load_folder


def write(root, *paths, size=16):
    """Write an image under each of these paths, the first of level 0, the second of level 1."""
    for level, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (size, size), level).save(root / path)


def levels(split):
    return sorted(split.examples[:, 0, 0, 0].tolist())


FLAT = [f"{number}.png" for number in range(20)]


# ------------------------------------------------------------------------------------------- layouts and classes


def test_a_flat_folder_has_no_labels(root, load):
    write(root, *FLAT)
    data, said = load()
    assert (data.train.labels, data.test.labels, data.classes, data.has_classes) == (None, None, None, False)
    assert sorted(levels(data.train) + levels(data.test)) == list(range(20))
    assert len(data.test.examples) == 2
    assert said == [f"dataset.path={root}: 20 images, 18 to train on and 2 to test, as 16x16 RGB; no class folders"]


def test_the_same_images_are_held_out_each_time(root, load, tmp_path):
    write(root, *FLAT)
    first, _ = load()
    shutil.rmtree(tmp_path / "cache")
    again, _ = load()
    assert levels(again.test) == levels(first.test)
    assert again.digest == first.digest == Dataset.of("image_folder", first.train, first.test, source="").digest


def test_the_class_is_the_first_folder_at_any_depth(root, load):
    write(root, "b/1.png", "b/x/2.png", "a/x/y/z/3.jpeg", "a/x/4.JPG", "b/x/y/5.bmp", "a/6.webp")
    data, said = load(held_out=0.34, grayscale=True)
    pairs = zip(
        [*levels(data.train), *levels(data.test)],
        [label for split in (data.train, data.test) for label in split.labels[np.argsort(split.examples[:, 0, 0, 0])]],
        strict=True,
    )
    assert sorted(pairs) == [(0, 1), (1, 1), (2, 0), (3, 0), (4, 1), (5, 0)]
    assert said == [f"dataset.path={root}: 6 images, 4 to train on and 2 to test, as 16x16 grey; 2 classes (a, b)"]


def test_one_class_folder_has_labels_that_tell_nothing_apart(root, load):
    write(root, *(f"all/{path}" for path in FLAT))
    data, said = load()
    assert (data.classes, data.has_classes) == (1, False)
    assert said[0].endswith("; 1 class (all)")


def test_images_beside_class_folders_are_read_and_end_the_labels(root, load):
    write(root, "a/1.png", "b/2.png", *FLAT)
    data, said = load()
    assert (data.classes, len(data.train.examples) + len(data.test.examples)) == (None, 22)
    reason = "no classes, because of 20 beside the class folders (0.png, 1.png, 10.png, ...)"
    assert said[0].endswith(f"; {reason}")


def test_train_and_test_may_be_flat_or_nested(root, load):
    write(root, "train/1.png", "train/2.png", "test/3.png", "validation/4.png", "5.png")
    data, said = load()
    assert (levels(data.train), levels(data.test), data.classes) == ([0, 1], [2], None)
    left_out = "left out: 2 beside train/ and test/ (5.png, validation/4.png)"
    assert said == [
        f"dataset.path={root}: 3 images, 2 to train on and 1 to test, as 16x16 RGB; no class folders; {left_out}"
    ]
    write(root, *(f"{part}/{name}/deep/{part}.png" for part in ("train", "test") for name in "abcd"))
    for path in ("train/1.png", "train/2.png", "test/3.png"):
        (root / path).unlink()
    data, said = load()
    assert data.train.labels.tolist() == data.test.labels.tolist() == [0, 1, 2, 3]
    assert "; 4 classes (a, b, c, ...); left out: " in said[0]


def test_what_earlier_versions_read_is_the_same_data_set(root, load):
    """Commit 85a1030 gave these digests. Recorded runs are of data with them."""
    for name in ("cats", "dogs"):
        for number in range(10):
            random = np.random.default_rng((len(name) + ord(name[0]), number))
            (root / name).mkdir(exist_ok=True)
            Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(root / name / f"{number}.png")
    assert load()[0].digest == "bc5ad7df0046c7a06ecf036ac70ca73cfe74bba9eecd489d0a6b34f06b907aac"
    assert load(size=8, grayscale=True)[0].digest == "fcfa61fa1c2c339c761709425d58b3e5cee87aeb9d035d35b558f01736276f8e"


# ----------------------------------------------------------------------------------------- what is left out and said


def test_hidden_files_and_other_types_are_left_out_and_counted(root, load):
    write(root, *FLAT, ".hidden.png", ".ipynb_checkpoints/0-checkpoint.png", "__MACOSX/1.png")
    for name in ("._0.png", "Thumbs.db", "a.gif", "b.tif", "notes\n.txt"):
        (root / name).write_bytes(b"no image")
    data, said = load()
    assert (len(data.train.examples) + len(data.test.examples), data.classes) == (20, None)
    hidden = "4 hidden (._0.png, .hidden.png, .ipynb_checkpoints, ...)"
    assert said[0].endswith(f"; left out: {hidden}, 4 of other types (Thumbs.db, a.gif, b.tif, ...)")
    assert said[0].isprintable()


def test_hidden_folders_are_no_classes(root, load):
    write(root, *(f"{name}/{path}" for name in ("cats", ".ipynb_checkpoints", "__MACOSX", "dogs") for path in FLAT))
    data, said = load()
    assert data.classes == 2
    assert "; 2 classes (cats, dogs); left out: 2 hidden (.ipynb_checkpoints, __MACOSX)" in said[0]


def test_pictures_of_earlier_runs_are_left_out(root, load):
    write(root, *FLAT, "mlruns/artifacts/samples.png", "outputs/state/key-1/files/samples.png", "outputs/21.png")
    for name in ("mlruns/mlflow.db", "outputs/state/key-1/run.json", "outputs/state/key-1/progress.json", "mlflow.db"):
        (root / name).touch()
    data, said = load()
    assert len(data.train.examples) + len(data.test.examples) == 21
    assert "; left out: 1 of other types (mlflow.db), 2 written by runs (mlruns, outputs/state/key-1)" in said[0]


def test_links_are_followed_but_not_in_a_circle(root, tmp_path):
    write(tmp_path / "elsewhere", "1.png", "sub/2.png")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "circle").symlink_to(root)
    (root / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = listing(root)
    assert found.images == [root / "link/1.png", root / "link/sub/2.png"]
    assert found.left_out == {
        "links to a folder that holds them": [root / "link/circle"],
        "of other types": [root / "gone.png"],
    }


def test_images_that_were_enlarged_are_counted_once(root, load):
    write(root, *FLAT)
    write(root, "21.png", "22.png", size=15)
    assert load()[1][0] == f"dataset.path={root}: 2 of 22 images are smaller than dataset.size=16, and were enlarged"
    assert len(load()[1]) == 1, "they are prepared already"
    assert load(size=15)[1][0].startswith(f"dataset.path={root}: 22 images")


def test_too_few_images_to_hold_any_out_are_refused(root, load):
    write(root, "1.png")
    with pytest.raises(BadInput, match=r"dataset.held_out=0.1 of 1 images leaves no image for the test split"):
        load()


# -------------------------------------------------------------------------------------------------------- the cache


def test_another_background_gives_another_data_set_and_the_same_colour_by_another_name_does_not(root, load, tmp_path):
    for number in range(2):
        Image.new("RGBA", (16, 16), (255, 0, 0, 0)).save(root / f"{number}.png")
    white, _ = load(held_out=0.5)
    assert (white.train.examples == 255).all()
    named, _ = load(held_out=0.5, background="#ffffff")
    red, _ = load(held_out=0.5, background="#ff0000")
    assert (red.train.examples == (255, 0, 0)).all()
    assert white.digest == named.digest != red.digest
    assert len([path for path in (tmp_path / "cache" / "image_folder").iterdir() if path.is_dir()]) == 2


def test_images_of_an_older_recipe_are_not_read(root, load, tmp_path, monkeypatch):
    write(root, *FLAT)
    monkeypatch.setattr(image_folder, "_RECIPE", image_folder._RECIPE - 1)
    load()
    (old,) = (tmp_path / "cache").glob("image_folder/*/images.npy")
    old.write_bytes(old.read_bytes()[:-1] + b"\xff")
    monkeypatch.undo()
    _, said = load()
    assert len(list((tmp_path / "cache").glob("image_folder/*/images.npy"))) == 2
    assert not any("broken" in line for line in said)


def test_images_without_labels_are_read_from_the_cache_and_repaired(root, load, tmp_path, caplog):
    write(root, *FLAT)
    first, _ = load()
    (folder,) = (path for path in (tmp_path / "cache" / "image_folder").iterdir() if path.is_dir())
    assert sorted(path.name for path in folder.iterdir()) == ["digest", "images.npy"]
    written = (folder / "images.npy").stat().st_mtime_ns
    assert load()[0].digest == first.digest
    assert (folder / "images.npy").stat().st_mtime_ns == written
    (folder / "digest").write_text("0" * 64)
    again, said = load()
    assert again.digest == first.digest
    assert "they do not match their digest) and are prepared again" in said[0]


def test_the_labels_of_an_npz_file_may_tell_nothing_apart():
    images = np.zeros((4, 8, 8, 1), np.uint8)
    for labels, expected in (([5, 5, 5, 5], False), ([0, 0, 0, 0], False), ([0, 0, 1, 0], True)):
        split = Split(images, np.array(labels) % 4)
        assert Dataset.of("x", split, split, source="").has_classes == expected
