"""PNG and JPEG files from anywhere: what is too large, or announces more than it holds, is refused undecoded."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ganfreeze.errors import BadInput, one_line

_PIXELS_A_BYTE = 8 * 1032  # at most: deflate makes 1032 bytes of one, and a byte is 8 pixels of two levels


def read(file: Path, *, size: int, grayscale: bool) -> NDArray[np.uint8]:
    """Read an image, crop it to its largest centred square, and resize this. Return (size, size, 1 or 3 channels).

    It is cropped first, so that resampling uses no pixels outside the square.

    Raises:
        BadInput: the file is no PNG or JPEG image, is broken, has more than 8 bits a channel, more than 89 million
            pixels, or more than its bytes can hold.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            content = io.BytesIO(file.read_bytes())  # reads of a file take as much memory as a chunk says that it has
            with Image.open(content, formats=("PNG", "JPEG")) as original:
                _check(original, file)
                image = ImageOps.exif_transpose(original).convert("L" if grayscale else "RGB")
    except BadInput:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadInput(f"{file} is too large ({one_line(error)}). Scale it down or remove it.") from error
    except UnidentifiedImageError as error:
        raise BadInput(
            f"{file} cannot be read as an image of PNG or JPEG (its header is not theirs). Repair it or remove it."
        ) from error
    except Exception as error:  # Pillow raises many kinds, for example a struct.error or a TypeError for EXIF data
        raise BadInput(
            f"{file} cannot be read as an image of PNG or JPEG ({one_line(error)}). Repair it or remove it."
        ) from error
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((size, size))
    return np.asarray(square).reshape(size, size, -1)


def _check(original: Image.Image, file: Path) -> None:
    """Refuse an image that is too deep, or says more than it holds, before memory is taken for its pixels."""
    if original.mode.startswith(("I", "F")):
        raise BadInput(f"{file} has more than 8 bits a channel (mode {original.mode}): convert it to 8 bits.")
    width, height = original.size
    if width * height > _PIXELS_A_BYTE * (size := file.stat().st_size):
        raise BadInput(f"{file} says {width:,} x {height:,} pixels, which {size:,} bytes cannot hold. Remove it.")
