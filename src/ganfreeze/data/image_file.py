"""Image files from anywhere: what is too large, or announces more than it holds, is refused undecoded."""

import io
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ganfreeze.data.image_listing import FORMATS
from ganfreeze.errors import BadInput, one_line

Colour = tuple[int, int, int]  # red, green and blue, 0 to 255

# Pixels that a byte can become, at most. Deflate makes 1032 bytes of one, and a byte is 8 pixels of two levels; JPEG
# and BMP stay below. WebP stores one colour in almost no bits: libwebp reaches 26,043, at 16,383 x 16,383 pixels.
_PIXELS_A_BYTE = {"PNG": 8 * 1032, "JPEG": 8 * 1032, "BMP": 8 * 1032, "WEBP": 2**15}

_ROUNDED = ((np.arange(2**16) + 128) // 257).astype(np.uint8)  # of a sample of 16 bits: the nearest of 8 bits
_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
_STEPS = {"L;2": 85, "L;4": 17}  # between the levels of grey images of 2 and 4 bits


class Picture(NamedTuple):
    """An image (size, size, 1 or 3 channels), and the `side` in pixels of the square that it was resized from."""

    pixels: NDArray[np.uint8]
    side: int


def read(file: Path, *, size: int, grayscale: bool, background: Colour) -> Picture:
    """Read an image, lay it over `background`, crop it to its largest centred square, and resize this to `size`.

    It is turned as its EXIF data say, and cropped before it is resized, so that resampling uses no pixels outside the
    square. Samples of 16 bits are divided by 257 and rounded. Of an animation the first frame is read.

    Raises:
        BadInput: the file is no PNG, JPEG, WebP or BMP image, is broken, or has more than 89 million pixels, or more
            than its bytes can hold.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            content = io.BytesIO(file.read_bytes())  # reads of a file take as much memory as a chunk says that it has
            with Image.open(content, formats=tuple(_PIXELS_A_BYTE)) as original:
                _check(original, file, len(content.getbuffer()))
                upright = ImageOps.exif_transpose(_in_eight_bits(original, content))
                image = _opaque(upright, background).convert("L" if grayscale else "RGB")
    except BadInput:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadInput(f"{file} is too large ({one_line(error)}). Scale it down or remove it.") from error
    except UnidentifiedImageError as error:
        raise BadInput(
            f"{file} cannot be read as an image of {FORMATS} (its header is not theirs). Repair it or remove it."
        ) from error
    except Exception as error:  # Pillow raises many kinds, for example a struct.error or a TypeError for EXIF data
        raise BadInput(
            f"{file} cannot be read as an image of {FORMATS} ({one_line(error)}). Repair it or remove it."
        ) from error
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((size, size))
    return Picture(np.asarray(square).reshape(size, size, -1), side)


def _check(original: Image.Image, file: Path, size: int) -> None:
    """Refuse an image that says more than its `size` bytes hold, before memory is taken for its pixels."""
    width, height = original.size
    if width * height > _PIXELS_A_BYTE[original.format or "PNG"] * size:
        raise BadInput(f"{file} says {width:,} x {height:,} pixels, which {size:,} bytes cannot hold. Remove it.")


def _in_eight_bits(original: Any, content: io.BytesIO) -> Image.Image:
    """Return the image with samples of 8 bits, and the colour that is transparent in them.

    Only PNG has other samples. Of 16 bits, Pillow drops the lower 8 of red, green, blue and alpha without rounding, but
    keeps all of grey ones. It scales samples of 2 and 4 bits, but not the transparent one among them.
    """
    raw = original.tile[0].args if original.format == "PNG" and original.tile else ""
    transparent = original.info.get("transparency")
    if raw in _STEPS and transparent is not None:
        original.info["transparency"] = transparent * _STEPS[raw]
    if not raw.endswith("16B"):
        return original
    samples = _samples(original, raw, content)
    rounded = _ROUNDED[samples]
    if transparent is not None:
        alpha = np.where((samples == transparent).all(2), 0, 255)
        rounded = np.dstack([rounded, alpha.astype(np.uint8)])
    image = Image.fromarray(rounded.squeeze(2) if rounded.shape[2] == 1 else rounded)
    image.info |= {key: value for key, value in original.info.items() if key != "transparency"}  # has the EXIF data
    return image


def _samples(original: Any, raw: str, content: io.BytesIO) -> NDArray[np.uint16]:
    """Return the samples of 16 bits, (height, width, channels), of a PNG image that Pillow would unpack as `raw`."""
    if raw == "I;16B":
        return np.asarray(original)[..., np.newaxis]
    if raw == "LA;16B":  # two samples are four bytes, as the four channels of 8 bits are
        original.tile = [original.tile[0]._replace(args="RGBA")]
        return np.asarray(original).view(">u2").astype(np.uint16)
    high = np.asarray(original).astype(np.uint16)
    with Image.open(io.BytesIO(content.getvalue()), formats=("PNG",)) as again:
        again.tile = [again.tile[0]._replace(args=_LOW_BYTES[raw])]  # of a little-endian file these were the high ones
        return high * np.uint16(256) + np.asarray(again)


def _opaque(image: Image.Image, background: Colour) -> Image.Image:
    """Lay an image with transparency over a background; return another one as it is."""
    if not image.has_transparency_data:
        return image
    ground = Image.new("RGBA", image.size, (*background, 255))
    ground.alpha_composite(image.convert("RGBA"))
    return ground
