"""Draw samples: images as a grid, points as a scatter plot."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Examples, Images

_THUMBNAIL = 256  # pixels of a side, as MLflow makes them


def write(examples: Examples, path: Path) -> None:
    """Draw the examples, and write the picture to `path`, whose suffix says the format."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(examples)).save(path)


def write_with_thumbnail(examples: Examples, path: Path, thumbnail: Path) -> None:
    """Draw the examples. Write the picture to `path` as PNG, and a small copy to `thumbnail` as WebP.

    This happens at every glance, so both are packed in the fastest way, and grey images with one channel.
    """
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = picture(examples)
    image = Image.fromarray(drawn[..., 0] if examples.ndim == 4 and examples.shape[-1] == 1 else drawn)
    image.save(path, compress_level=1)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    image.save(thumbnail, method=0)


def picture(examples: Examples) -> Images:
    """Draw images as a grid, points as a scatter plot. Return one RGB image (H, W, 3)."""
    return grid(examples) if examples.ndim == 4 else scatter(examples)


def grid(images: Images, *, side: int = 512) -> Images:
    """Draw images (n, h, w, c) row by row in the smallest square grid that holds them.

    Unused cells are black. The grid is enlarged by a whole factor: the largest that keeps its height within `side`
    pixels, or 1. Return one RGB image (H, W, 3).
    """
    n, height, width, channels = images.shape
    rows = int(np.ceil(np.sqrt(n)))
    filled = np.concatenate([images, np.zeros((rows * rows - n, height, width, channels), np.uint8)])
    tiles = filled.reshape(rows, rows, height, width, channels).swapaxes(1, 2)
    sheet = tiles.reshape(rows * height, rows * width, channels)
    factor = max(1, side // (rows * height))
    enlarged = sheet.repeat(factor, 0).repeat(factor, 1)
    return np.broadcast_to(enlarged, (*enlarged.shape[:2], 3)).copy()


def scatter(points: NDArray[np.float32], *, side: int = 512) -> Images:
    """Draw points (n, dimensions) by their first two coordinates, or on a line if they have only one.

    Return one RGB image (side, side, 3).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = FigureCanvasAgg(Figure(figsize=(side / 100, side / 100), dpi=100))
    axes = canvas.figure.subplots()
    axes.set_aspect("equal", adjustable="datalim")
    axes.scatter(points[:, 0], points[:, 1] if points.shape[1] > 1 else np.zeros(len(points)), s=4)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
