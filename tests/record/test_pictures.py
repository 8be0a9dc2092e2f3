"""Images are drawn as a grid, points as a scatter plot."""

import numpy as np
import pytest
from PIL import Image

from ganfreeze.record import pictures


@pytest.mark.parametrize(("count", "side"), [(64, 8), (60, 8), (1, 1), (5, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_images_row_by_row(count, side, channels):
    images = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 4, 4, channels), np.uint8)
    picture = np.asarray(pictures.grid(images, side=4 * side)).reshape(4 * side, 4 * side, channels)
    shown = picture[::4, ::4, 0].ravel()
    np.testing.assert_array_equal(picture, picture[::4, ::4].repeat(4, 0).repeat(4, 1))
    np.testing.assert_array_equal(shown[:count], np.arange(count))
    assert not shown[count:].any()
    assert pictures.grid(images, side=8 * side).size == (8 * side, 8 * side)


def test_a_picture_is_written(tmp_path):
    images = np.full((4, 8, 8, 1), 200, np.uint8)
    pictures.write(images, tmp_path / "new" / "grid.png")
    with Image.open(tmp_path / "new" / "grid.png") as picture:
        assert picture.size == (512, 512)
        assert picture.getpixel((0, 0)) == 200


@pytest.mark.parametrize(("side", "thumbnail"), [(8, 128), (28, 224), (64, 256)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_thumbnail_shows_the_same_picture(tmp_path, side, thumbnail, channels):
    grey = np.full((64, side, side, channels), 200, np.uint8)
    grey[:32] = 50
    pictures.write_with_thumbnail(grey, tmp_path / "grid.png", tmp_path / "grid.webp")
    with Image.open(tmp_path / "grid.webp") as small:
        assert small.size == (thumbnail, thumbnail)
        drawn = np.asarray(small.convert("L"))
    assert drawn[: thumbnail // 2 - 4] == pytest.approx(50, abs=4)
    assert drawn[thumbnail // 2 + 4 :] == pytest.approx(200, abs=4)


BLUE = (31, 119, 180)  # matplotlib's first colour


def dot_centres(picture):
    """Return the centre (row, column) of the left and of the right dot in a picture with two blue dots."""
    pixels = np.asarray(picture)
    rows, columns = np.nonzero((pixels == BLUE).all(-1))
    left = columns < picture.width / 2
    return [(rows[side].mean(), columns[side].mean()) for side in (left, ~left)]


def test_points_are_drawn_by_their_coordinates():
    points = np.array([[-1, 5], [3, 9]], np.float32)
    picture = pictures.picture(points)
    assert (picture.mode, picture.size) == ("RGB", (512, 512))
    assert pictures.scatter(points, side=256).size == (256, 256)
    (lower_row, left), (upper_row, right) = dot_centres(picture)
    assert lower_row - upper_row > 300, "the y axis points upwards"
    assert right - left > 300
    (_, left_mirrored), (_, right_mirrored) = dot_centres(pictures.picture(points * [1, -1]))
    assert (left, right) == pytest.approx((left_mirrored, right_mirrored), abs=1)


def test_points_with_one_coordinate_are_drawn_on_a_line():
    (left_row, left), (right_row, right) = dot_centres(pictures.picture(np.array([[-2.0], [2.0]], np.float32)))
    assert left_row == right_row
    assert right - left > 300


def test_images_are_drawn_as_a_grid():
    images = np.full((4, 8, 8, 1), 200, np.uint8)
    assert pictures.picture(images) == pictures.grid(images)
