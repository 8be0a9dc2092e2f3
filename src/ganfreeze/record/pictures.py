"""Draw samples: images as a grid, points as a scatter plot."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Examples, Images

Picture = Any  # a PIL.Image; Pillow is imported late

_SIDE = 512  # pixels
_THUMBNAIL = 256  # pixels of a side at most, as MLflow makes them
_SMALL = 128  # pixels that a grid of tiny images has in a thumbnail


def write(examples: Examples, path: Path) -> None:
    """Draw the examples, and write the picture to `path`, whose suffix says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(examples).save(path)


def write_with_thumbnail(examples: Examples, path: Path, thumbnail: Path) -> None:
    """Draw the examples. Write the picture to `path` as PNG, and a small one to `thumbnail` as WebP.

    This happens at every glance, so both are packed in the fastest way.
    """
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = picture(examples)
    drawn.save(path, compress_level=1)
    small = grid(examples, side=_SMALL) if examples.ndim == 4 else drawn
    small.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    small.save(thumbnail, method=0)


def picture(examples: Examples) -> Picture:
    """Draw images as a grid, points as a scatter plot."""
    return grid(examples) if examples.ndim == 4 else scatter(examples)


def grid(images: Images, *, side: int = _SIDE) -> Picture:
    """Draw images (n, h, w, c) row by row in the smallest square grid that holds them.

    Unused cells are black. The grid is enlarged by a whole factor: the largest that keeps its height within `side`
    pixels, or 1. The picture has as many channels as the images: 1 or 3.
    """
    from PIL import Image

    n, height, width, channels = images.shape
    rows = int(np.ceil(np.sqrt(n)))
    filled = np.concatenate([images, np.zeros((rows * rows - n, height, width, channels), np.uint8)])
    tiles = filled.reshape(rows, rows, height, width, channels).swapaxes(1, 2)
    sheet = tiles.reshape(rows * height, rows * width, channels)
    drawn = Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
    factor = max(1, side // drawn.height)
    return drawn.resize((drawn.width * factor, drawn.height * factor), Image.Resampling.NEAREST)


def scatter(points: NDArray[np.float32], *, side: int = _SIDE) -> Picture:
    """Draw points (n, dimensions) by their first two coordinates, or on a line if they have only one.

    The picture is RGB, `side` x `side` pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    canvas = FigureCanvasAgg(Figure(figsize=(side / 100, side / 100), dpi=100))
    axes = canvas.figure.subplots()
    axes.set_aspect("equal", adjustable="datalim")
    axes.scatter(points[:, 0], points[:, 1] if points.shape[1] > 1 else np.zeros(len(points)), s=4)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
