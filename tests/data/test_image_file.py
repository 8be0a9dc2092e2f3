"""The pixels that the reader of image files returns, for every kind of file."""

import io
import struct
import zlib

import numpy as np
import pytest
from hostile_files import chunk
from PIL import Image, ImageOps

from ganfreeze.data import image_file
from ganfreeze.errors import BadInput

WHITE, BLUE = (255, 255, 255), (0, 0, 200)
HIDDEN, SHOWN = 40, 170  # grey levels: of a transparent left half, and of an opaque right half


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a file of 8x8 pixels, or of others, and reads it."""

    def read_content(content, *, size=8, grayscale=False, background=WHITE, suffix="png"):
        path = tmp_path / f"image.{suffix}"
        path.write_bytes(content)
        return image_file.read(path, size=size, grayscale=grayscale, background=background).pixels

    return read_content


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def packed(samples, depth):
    """Return a row of samples as bytes, as PNG has them."""
    if depth == 16:
        return samples.astype(">u2").tobytes()
    bits = np.unpackbits(samples.astype(np.uint8).reshape(-1, 1), axis=1)[:, -depth:]
    return np.packbits(bits).tobytes()


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's types, by the number of channels


def png(samples, depth, *extra, interlaced=False):
    """Return a PNG file of samples (height, width, channels) of any depth, after section 8.2 of its specification."""
    height, width, channels = samples.shape
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [samples]
    rows = b"".join(b"\0" + packed(row.ravel(), depth) for part in passes if part.size for row in part)
    header = struct.pack(">IIBBBBB", width, height, depth, COLOURS[channels], 0, 0, interlaced)
    chunks = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


# ------------------------------------------------------------------------------------------- images as they were

UPRIGHT = {  # what a viewer shows, by the EXIF orientation of what is stored: EXIF 2.3, section 4.6.4
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_of_exif_is_turned_upright(read, random, orientation):
    stored, exif = random.integers(0, 256, (8, 8, 3), np.uint8), Image.Exif()
    exif[0x0112] = orientation
    expected = UPRIGHT[orientation](stored)
    image = Image.fromarray(stored)
    np.testing.assert_array_equal(read(saved(image, exif=exif)), expected)
    np.testing.assert_array_equal(read(saved(image, "WEBP", lossless=True, exif=exif), suffix="webp"), expected)
    deep = png(stored * np.uint16(257), 16, chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    np.testing.assert_array_equal(read(deep), expected)
    smooth = np.array(Image.fromarray(stored[:2, :2]).resize((8, 8)))
    decoded = read(saved(Image.fromarray(smooth), "JPEG", quality=100, subsampling=0, exif=exif), suffix="jpg")
    assert np.abs(decoded - UPRIGHT[orientation](smooth).astype(int)).max() <= 4


def opaque_files():
    noise = Image.effect_noise((24, 20), 80)
    colours = Image.merge("RGB", [noise, noise.rotate(90, expand=False), noise.transpose(Image.Transpose.ROTATE_180)])
    yield "RGB", saved(colours)
    yield "grey", saved(noise)
    yield "1 bit", saved(noise.convert("1"))
    yield "palette", saved(colours.quantize(16))
    yield "palette of opaque entries", saved(colours.quantize(16), transparency=bytes([255] * 16))
    yield "opaque RGBA", saved(colours.convert("RGBA"))
    yield "opaque LA", saved(noise.convert("LA"))
    yield "JPEG", saved(colours, "JPEG")
    yield "grey JPEG", saved(noise, "JPEG")
    yield "CMYK JPEG", saved(colours.convert("CMYK"), "JPEG")
    yield "WebP", saved(colours, "WEBP")
    yield "BMP", saved(colours, "BMP")
    yield "BMP of a palette", saved(colours.quantize(16), "BMP")


@pytest.mark.filterwarnings("ignore:Palette images")  # of Pillow, for what is expected
@pytest.mark.parametrize(("kind", "content"), opaque_files())
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_opaque_images_are_what_pillow_makes_of_them(read, kind, content, mode):
    """The centred square, resized, with no background in it."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert(mode)
    expected = np.asarray(image.crop((2, 0, 22, 20)).resize((8, 8))).reshape(8, 8, -1)
    np.testing.assert_array_equal(read(content, grayscale=mode == "L", background=BLUE), expected)


def test_colours_of_cmyk_are_those_that_are_printed(read):
    inks = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(read(saved(inks, "JPEG", quality=100), suffix="jpg") - np.array([255, 0, 0])).max() <= 2


def test_lossless_files_keep_every_pixel(read, random):
    pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(pixels)
    for content, suffix in ((saved(image, "WEBP", lossless=True), "webp"), (saved(image, "BMP"), "bmp")):
        np.testing.assert_array_equal(read(content, suffix=suffix), pixels)


def test_the_first_frame_of_an_animation_is_read(read):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    for kind in ("WEBP", "PNG"):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert (read(content) == (255, 0, 0)).all()


def test_the_side_of_the_square_is_returned(tmp_path):
    Image.new("L", (7, 30)).save(tmp_path / "x.png")
    picture = image_file.read(tmp_path / "x.png", size=9, grayscale=True, background=WHITE)
    assert (picture.pixels.shape, picture.side) == ((9, 9, 1), 7)


# ------------------------------------------------------------------------------------------------ transparency


def halves(left, right):
    """Return samples (8, 8, channels) of two colours."""
    return np.broadcast_to(np.repeat([left, right], 4, 0), (8, 8, len(left)))


def bmp_with_alpha(pixels):
    """Return a BMP file of RGBA pixels, whose BITMAPV4HEADER has a mask for each channel."""
    height, width, _ = pixels.shape
    masks = struct.pack("<4I", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    info = struct.pack("<IiiHHIIiiII", 108, width, -height, 1, 32, 3, pixels.size, 2835, 2835, 0, 0) + masks + bytes(52)
    return b"BM" + struct.pack("<IHHI", 122 + pixels.size, 0, 0, 122) + info + pixels.tobytes()


def transparent_files():
    """Yield files of two halves: the left one has a hidden level and is transparent, the right one is opaque."""
    rgba = Image.fromarray(halves((HIDDEN, 0, 0, 0), (SHOWN, SHOWN, SHOWN, 255)).astype(np.uint8))
    yield "RGBA", saved(rgba), SHOWN
    yield "WebP", saved(rgba, "WEBP", lossless=True, exact=True), SHOWN
    yield "BMP with a mask of alpha", bmp_with_alpha(np.asarray(rgba)), SHOWN
    yield "LA", png(halves((HIDDEN, 0), (SHOWN, 255)), 8), SHOWN
    yield "LA of 16 bits", png(halves((HIDDEN, 0), (SHOWN * 257, 65535)), 16), SHOWN
    yield "RGBA of 16 bits", png(halves((9, 9, 9, 0), (*3 * [SHOWN * 257], 65535)), 16), SHOWN
    for depth, hidden, shown in ((1, 0, 1), (2, 2, 3), (4, 9, 10), (8, HIDDEN, SHOWN), (16, 10281, 43690)):
        grey = png(halves((hidden,), (shown,)), depth, chunk(b"tRNS", struct.pack(">H", hidden)))
        yield f"tRNS of grey of {depth} bits", grey, round(shown * 255 / (2**depth - 1))
    for depth, scale in ((8, 1), (16, 257)):
        key = chunk(b"tRNS", struct.pack(">3H", *3 * [HIDDEN * scale]))
        rgb = png(halves(3 * [HIDDEN * scale], 3 * [SHOWN * scale]), depth, key)
        yield f"tRNS of RGB of {depth} bits", rgb, SHOWN
    palette = Image.fromarray(halves((0,), (1,)).squeeze(2).astype(np.uint8), "P")
    palette.putpalette([255, 0, 255, SHOWN, SHOWN, SHOWN])
    yield "a palette with one transparent entry", saved(palette, transparency=0), SHOWN
    yield "a palette with alphas", saved(palette, transparency=b"\0\xff"), SHOWN
    yield "a palette whose entry is nearly transparent", saved(palette, transparency=b"\1\xff"), SHOWN


@pytest.mark.parametrize(("kind", "content", "level"), transparent_files())
@pytest.mark.parametrize("background", [WHITE, BLUE])
def test_transparent_pixels_show_the_background(read, kind, content, level, background):
    pixels = read(content, background=background).astype(int)
    assert np.abs(pixels[:, :4] - background).max() <= (1 if "nearly" in kind else 0), "the hidden colour shows"
    assert (pixels[:, 4:] == level).all()
    grey = round(np.dot(background, (0.299, 0.587, 0.114)))  # ITU-R 601
    assert np.abs(read(content, grayscale=True, background=background)[:, :4].astype(int) - grey).max() <= 1


@pytest.mark.parametrize("alpha", [1, 64, 128, 254])
def test_half_transparent_pixels_are_mixed_with_the_background(read, alpha):
    pixels = read(saved(Image.new("RGBA", (8, 8), (200, 100, 0, alpha))), background=BLUE)
    expected = (np.array([200, 100, 0]) * alpha + np.array(BLUE) * (255 - alpha)) / 255
    assert np.abs(pixels - expected).max() <= 1


def test_the_fourth_byte_of_a_bmp_file_without_masks_is_no_alpha(read):
    """BITMAPINFOHEADER, BI_RGB: the high byte in each DWORD is not used."""
    pixels = read(saved(Image.new("RGBA", (8, 8), (200, 100, 0, 0)), "BMP"), suffix="bmp")
    assert (pixels == (200, 100, 0)).all()


def test_a_colour_near_the_transparent_one_of_16_bits_is_opaque(read):
    """They are the same in 8 bits."""
    key = chunk(b"tRNS", struct.pack(">H", 2570))
    pixels = read(png(halves((2570,), (2571,)), 16, key))
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:] == 10).all()


# -------------------------------------------------------------------------------------------------------- depth


def test_every_grey_level_of_16_bits_is_rounded_to_the_nearest_of_8(read):
    levels = np.arange(65536).reshape(256, 256, 1)
    pixels = read(png(levels, 16), size=256, grayscale=True)
    np.testing.assert_array_equal(pixels, np.rint(levels / 257))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", COLOURS)
def test_samples_of_16_bits_are_rounded_alike_in_every_kind_of_png(read, random, channels, interlaced):
    samples = random.integers(0, 65536, (8, 8, channels))
    if channels in (2, 4):
        samples[..., -1] = 65535  # opaque
    expected = np.rint(samples[..., : 1 if channels < 3 else 3] / 257) + np.zeros(3)
    np.testing.assert_array_equal(read(png(samples, 16, interlaced=interlaced)), expected)


# ---------------------------------------------------------------------------------------------------- refusals


def lossless_webp(width, height, data=bytes(20)):
    body = b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14) + data
    body += bytes(len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 12) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body


def test_a_webp_file_that_says_more_than_it_holds_is_refused(read):
    with pytest.raises(BadInput, match=r"says 9,000 x 9,000 pixels, which \d+ bytes cannot hold"):
        read(lossless_webp(9000, 9000), suffix="webp")
    with pytest.raises(BadInput, match=r"is too large \(Image size \(268402689 pixels\) exceeds"):
        read(lossless_webp(16383, 16383), suffix="webp")


@pytest.mark.parametrize("side", [64, 1000, 5000])
def test_webp_files_of_one_colour_are_within_the_bound(read, side):
    """They are the smallest files of their size."""
    content = saved(Image.new("RGB", (side, side), "red"), "WEBP", lossless=True)
    assert (read(content, suffix="webp") == (255, 0, 0)).all()


def test_other_formats_are_refused_whatever_their_name_is(read):
    for kind in ("GIF", "TIFF", "PPM"):
        with pytest.raises(BadInput, match="cannot be read as an image of PNG, JPEG, WebP or BMP"):
            read(saved(Image.new("RGB", (8, 8)), kind))
