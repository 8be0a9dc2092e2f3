"""Strategies for hostile files: small valid files with lies in their headers, then with random damage."""

import gzip
import io
import pickle
import struct
import tarfile
import tempfile
import zlib

import numpy as np
from hypothesis import strategies as st
from PIL import Image

ELSEWHERE = f"{tempfile.gettempdir()}/written-by-a-hostile-file"


class Payload:
    """An object whose pickle writes a file to the current folder when it is loaded."""

    def __reduce__(self):
        return open, ("executed", "w")


PICKLES = [pickle.dumps(Payload(), protocol) for protocol in (0, 2, 4)]
NAMES = [b"../../evil.npy", ELSEWHERE.encode() + b".npy", b"", b"images.npy", b"a/../../evil", b"\xff\x1b[31m\n.npy"]
BYTES = st.sampled_from([0, 1, 2, 8, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)
COUNTS = st.sampled_from([0, 1, 2, 4, 255, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1]) | st.integers(
    0, 2**32 - 1
)


def mostly(valid, other):
    """Draw `valid` for most files, else from `other`."""
    return st.integers(0, 9).flatmap(lambda number: st.just(valid) if number < 9 else other)


@st.composite
def damaged(draw, content, most=2):
    """Draw `content` after up to `most` truncations, flipped bits, numbers, cuts, doubled ranges and splices."""
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(content)))
        end = start + draw(st.integers(1, 64))
        part = content[start:end]
        new = draw(
            st.sampled_from([b"", part + part, *PICKLES, b"PK\3\4", b"\x93NUMPY\2\0\xff\xff\xff\xff", b"\0" * 600])
            | st.integers(0, 7).map(lambda bit, part=part: bytes([part[0] ^ 1 << bit]) + part[1:] if part else b"")
            | COUNTS.map(lambda count, part=part: struct.pack(">I", count) + part[4:])
            | COUNTS.map(lambda count, part=part: struct.pack("<I", count) + part[4:])
            | st.integers(0, max(len(content) - 64, 0)).map(lambda other, old=content: old[other : other + 64])
        )
        content = content[:start] + new + (content[end:] if draw(st.integers(0, 5)) else b"")
    return content


# ---------------------------------------------------------------------------------------------------------- IDX


@st.composite
def idx_content(draw):
    shape = draw(mostly((2, 3, 4), st.lists(COUNTS, max_size=9) | st.just((0, 2**32 - 1, 2**32 - 1, 2**32 - 1))))
    rank = draw(mostly(len(shape), BYTES))
    code = draw(mostly(8, st.sampled_from([0, 9, 0x0B, 0x0C, 0x0D, 0x0E, 255])))
    data = bytes(range(draw(mostly(24, st.integers(0, 255)))))
    return bytes([0, 0, code, rank]) + struct.pack(f">{len(shape)}I", *shape) + data


idx_files = idx_content().flatmap(damaged)


@st.composite
def idx_gz_files(draw):
    content = draw(idx_files) + bytes(draw(mostly(0, st.sampled_from([1, 2**16, 2**22]))))
    packed = bytearray(gzip.compress(content, 1, mtime=0))
    packed[3] = draw(mostly(0, BYTES))  # the flags: a name, a comment, more fields or a checksum follow
    return draw(damaged(bytes(packed), most=1))


# ---------------------------------------------------------------------------------------------------------- npz

DESCRIPTIONS = [
    *("'|O'", "'<i8'", "'>i8'", "'|b1'", "'<f8'", "'<m8[s]'", "'<U4294967295'", "'|V2147483647'", "'|V0'", "''"),
    *("[('a', '|u1')]", "[('a', '|O')]", "[('a', '|u1', (65536, 65536))]", "('|u1', (3,))", "None", "'u1,' 'O'"),
    *("[" * 150, "[('', [('', '|u1')])]", "{'names': ['a'], 'formats': ['|u1']}", "'|u1'\n '", "'\\x00'"),
]
SHAPES = [
    *("()", "(4,)", "(-4, -6, 6)", "(True,)", "(4, 6, 6.0)", "[4, 6, 6]", "(2**31,)", "(4L, 6L, 6L)", "(1e999,)"),
    *("(18446744073709551616,)", "(0, 1099511627776)", "(1099511627776, 0, 1)", f"({'1, ' * 70})", "(" * 250),
    *(f"({'9' * 5000},)", "(4, 6, 6", "(4,\n\t6\n  ,6)\n    x\n  y", "'''", "(4, 6, 6) \\", "(-9223372036854775808,)"),
]


@st.composite
def npy_files(draw, array):
    """Draw an .npy file with this array's data."""
    description = draw(mostly(f"'{array.dtype.str}'", st.sampled_from(DESCRIPTIONS)))
    lists = st.lists(COUNTS, max_size=5).map(lambda shape: str(tuple(shape)))
    shape = draw(mostly(str(array.shape), st.sampled_from(SHAPES) | lists))
    order = draw(mostly("False", st.sampled_from(["True", "0", "None"])))
    text = f"{{'descr': {description}, 'fortran_order': {order}, 'shape': {shape}, }}"
    header = draw(mostly(text, st.sampled_from(["", "{}", "[]", "a", "{1: 2, 'a': 3}", text + "\n", text.upper()])))
    encoded = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    version = draw(mostly((1, 0), st.sampled_from([(2, 0), (3, 0), (0, 0), (1, 1), (255, 255)])))
    length = draw(mostly(len(encoded), COUNTS))
    packed = struct.pack("<H", length & 0xFFFF) if version[0] == 1 else struct.pack("<I", length)
    data = draw(mostly(array.tobytes(), st.sampled_from([b"", *PICKLES, array.tobytes() * 2])))
    return b"\x93NUMPY" + bytes(version) + packed + encoded + data


def zip_entry(name, content, /, **lies):
    """Return the local header with its data, and a function from the offset to the central header."""
    deflated = zlib.compress(content, 9)[2:-4] if lies.get("method") == 8 else content
    fields = {
        "version": 20,
        "flags": 0,
        "method": lies.get("method", 0),
        "crc": zlib.crc32(content),
        "packed": len(deflated),
    }
    fields |= {"size": len(content), "name": len(name), "extra": 0, "comment": 0, "offset": None}
    local = fields | {key[6:]: value for key, value in lies.items() if key.startswith("local_")}
    central = fields | {key: value for key, value in lies.items() if not key.startswith("local_")}

    def head(f):
        numbers = [f["version"], f["flags"], f["method"], 0, 33]
        numbers = [number & 0xFFFF for number in numbers] + [f["crc"], f["packed"], f["size"]]
        return struct.pack("<5H3I", *numbers) + struct.pack("<2H", f["name"] & 0xFFFF, f["extra"] & 0xFFFF)

    def directory(offset):
        place = offset if central["offset"] is None else central["offset"]
        tail = struct.pack("<3H2I", central["comment"] & 0xFFFF, 0, 0, 0, place)
        return b"PK\1\2" + struct.pack("<H", 20) + head(central) + tail + name

    return b"PK\3\4" + head(local) + name + deflated, directory


def zip_file(entries, **lies):
    """Return an archive of such entries; `lies` are the count, size or offset of the directory."""
    body, directory = b"", b""
    for local, central in entries:
        directory += central(len(body))
        body += local
    end = {"count": len(entries), "size": len(directory), "offset": len(body)} | lies
    count = end["count"] & 0xFFFF
    return body + directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, end["size"], end["offset"], 0)


FIELDS = ["version", "flags", "method", "crc", "packed", "size", "name", "extra", "comment", "offset"]
LIES = st.dictionaries(st.sampled_from(FIELDS + [f"local_{field}" for field in FIELDS[:8]]), COUNTS, max_size=2)
ARRAYS = {"images": np.arange(144, dtype=np.uint8).reshape(4, 6, 6), "labels": np.array([0, 1, 0, 1])}


@st.composite
def npz_files(draw):
    entries = []
    for name, array in ARRAYS.items():
        content = draw(npy_files(array))
        content = draw(mostly(content, damaged(content)))
        method = {"method": draw(st.sampled_from([0, 8]) | mostly(8, st.sampled_from([12, 14, 99])))}
        entries.append(zip_entry(f"{name}.npy".encode(), content, **method | draw(mostly({}, LIES))))
    for name in draw(mostly([], st.lists(st.sampled_from(NAMES), max_size=2))):
        entries.append(zip_entry(name, draw(st.sampled_from(PICKLES) | npy_files(ARRAYS["labels"]))))
    lies = draw(mostly({}, st.dictionaries(st.sampled_from(["count", "size", "offset"]), COUNTS, max_size=1)))
    content = zip_file(entries, **lies)
    return draw(st.just(content) | damaged(content, most=1))


# ------------------------------------------------------------------------------------------------------- images


@st.composite
def exif_data(draw):
    """Draw EXIF data: a TIFF header and a directory of tags whose types, counts and offsets may be anything."""
    order = draw(st.sampled_from("<>"))
    tags = st.sampled_from([0x0112, 0x010E, 0x0131, 0x014A, 0x02BC, 0x8769, 0x8825, 0xA005]) | st.integers(0, 65535)
    small = st.integers(0, 9)
    entries = draw(st.lists(st.tuples(tags, st.integers(0, 14), small | COUNTS, small | COUNTS), max_size=4))
    start, count = draw(mostly(8, COUNTS)), draw(mostly(len(entries), st.integers(0, 65535)))
    directory = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    following = draw(st.sampled_from([0, 8]) | COUNTS)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", start, count)
    return head + directory + struct.pack(f"{order}I", following) + draw(st.binary(max_size=24))


def chunk(kind, data, length=None):
    """Return a chunk of a PNG file with the right checksum."""
    size = len(data) if length is None else length
    return struct.pack(">I", size) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *extra, depth=8, colour=2, rest=b"\0\0\0", pixels=bytes(25 * 8)):
    """Return a PNG file with any header, with the chunks `extra`, and with 8x8 black pixels."""
    header = struct.pack(">IIBB", width, height, depth, colour) + rest
    chunks = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


KINDS = [b"PLTE", b"tRNS", b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"acTL", b"fcTL"]
KINDS += [b"fdAT", b"IHDR", b"IDAT", b"IEND", b"eXIf", b"\0\0\0\0"]
TEXT = [
    b"k\0\0" + zlib.compress(bytes(2**21)),
    b"k\0\1\0\0\0" + zlib.compress(bytes(2**21)),
    b"Raw profile type exif\0\0",
]


@st.composite
def png_files(draw):
    data = st.binary(max_size=30) | st.sampled_from(TEXT) | st.lists(COUNTS, max_size=7).map(numbers)
    any_chunk = st.builds(chunk, st.sampled_from(KINDS), data, mostly(None, COUNTS))
    exif = exif_data().map(lambda content: chunk(b"eXIf", content))
    extra = draw(mostly([], st.lists(any_chunk | exif, max_size=3)) | st.lists(exif, max_size=1))
    content = png(
        draw(mostly(8, COUNTS)),
        draw(mostly(8, COUNTS)),
        *extra,
        depth=draw(mostly(8, st.sampled_from([1, 2, 4, 16, 0, 3, 255]))),
        colour=draw(mostly(2, st.sampled_from([0, 3, 4, 6, 1, 7]))),
        rest=draw(mostly(b"\0\0\0", st.sampled_from([b"\0\0\1", b"\1\0\0", b"\0\1\0", b"\0\0\2"]))),
        pixels=draw(mostly(bytes(25 * 8), st.integers(0, 2**16).map(bytes) | st.binary(max_size=200))),
    )
    return draw(damaged(content))


def numbers(counts):
    """Return the numbers as 32-bit integers."""
    return struct.pack(f">{len(counts)}I", *counts)


def jpeg(mode="RGB", **options):
    """Return a JPEG file of 16x16 pixels."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((16, 16)).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


JPEGS = [jpeg(), jpeg(progressive=True), jpeg("L"), jpeg("CMYK"), jpeg(subsampling=0, restart_marker_blocks=1)]
XMP = b"http://ns.adobe.com/xap/1.0/\0"
XMPS = [XMP + b'<x tiff:Orientation="%s"/>' % value for value in (b"3", b"9", b"\xff", b"66666666666")]
SEGMENTS = [b"ICC_PROFILE\0\1\1", b"ICC_PROFILE\0\0\xff", b"MPF\0", b"Photoshop 3.0\08BIM\x03\xed\0\0\xff\xff\xff\xff"]
SEGMENTS += [b"Adobe\0\x64\0\0\0\0", b"JFIF\0\1\1\1\0\0\0\0", b"JFXX\0", b"FPXR\0", *XMPS]


@st.composite
def jpeg_files(draw):
    content = bytearray(draw(st.sampled_from(JPEGS)))
    frame = next(content.find(marker) for marker in (b"\xff\xc0\0", b"\xff\xc2\0") if marker in content)
    height, width = (draw(mostly(16, COUNTS)) & 0xFFFF for _ in range(2))
    precision, components = draw(mostly(8, BYTES)), draw(mostly(content[frame + 9], BYTES))
    content[frame + 4 : frame + 10] = struct.pack(">BHHB", precision, height, width, components)
    content[frame + 1] = draw(mostly(content[frame + 1], st.integers(0xC0, 0xCF)))
    exif = exif_data().map(lambda data: (0xE1, b"Exif\0\0" + data))
    frames = exif_data().map(lambda data: (0xE2, b"MPF\0" + data))
    plain = st.tuples(
        st.integers(0xE0, 0xEF) | st.just(0xFE) | BYTES, st.sampled_from(SEGMENTS) | st.binary(max_size=30)
    )
    segments = draw(st.lists(exif | frames | plain, max_size=3) | st.lists(exif, max_size=1))
    inserted = b""
    for marker, data in segments:
        length = draw(mostly(len(data) + 2, COUNTS)) & 0xFFFF
        inserted += bytes([0xFF, marker]) + struct.pack(">H", length) + data
    return draw(damaged(bytes(content[:2]) + inserted + bytes(content[2:])))


def riff(*chunks, size=None):
    """Return a WebP file of these chunks: the kind of each, its data, and the length that it says, if that is a lie."""
    body = b""
    for kind, data, length in chunks:
        body += kind + struct.pack("<I", len(data) if length is None else length) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4 if size is None else size) + b"WEBP" + body


def webp_chunks(content):
    """Return the chunks of a WebP file, each with its kind and data."""
    chunks, place = [], 12
    while place + 8 <= len(content):
        (length,) = struct.unpack_from("<I", content, place + 4)
        chunks.append((content[place : place + 4], content[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return chunks


def webp(mode="RGB", frames=1, **options):
    """Return a WebP file of 16x16 pixels."""
    file = io.BytesIO()
    images = [Image.linear_gradient("L").resize((16, 16)).rotate(90 * number).convert(mode) for number in range(frames)]
    images[0].save(file, "WEBP", save_all=frames > 1, append_images=images[1:], **options)
    return file.getvalue()


WEBPS = [
    webp(),
    webp(lossless=True),
    webp("RGBA"),
    webp("RGBA", lossless=True),
    webp(frames=3),
    webp(exif=b"Exif\0\0II"),
]
WEBP_KINDS = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP ", b"ICCP", b"\0\0\0\0"]
_CANVAS = struct.Struct("<I3s3s")  # of a VP8X chunk: flags, and the width and the height less one


@st.composite
def webp_files(draw):
    chunks = webp_chunks(draw(st.sampled_from(WEBPS)))
    sides = [draw(mostly(15, COUNTS)) for _ in range(2)]
    changed = []
    for kind, data in chunks:
        if kind == b"VP8L" and sides != [15, 15]:
            data = data[:1] + struct.pack("<I", (sides[0] & 0x3FFF | (sides[1] & 0x3FFF) << 14)) + data[5:]
        elif kind == b"VP8 " and sides != [15, 15]:
            data = data[:6] + struct.pack("<2H", *(side + 1 & 0xFFFF for side in sides)) + data[10:]
        elif kind == b"VP8X":
            width, height = (struct.pack("<I", side)[:3] for side in sides)
            data = _CANVAS.pack(draw(mostly(data[0], COUNTS)), width, height) + data[10:]
        changed.append((kind, data, draw(mostly(None, COUNTS))))
    extra = st.tuples(st.sampled_from(WEBP_KINDS), exif_data() | st.binary(max_size=30), mostly(None, COUNTS))
    for chunk_of_any_kind in draw(mostly([], st.lists(extra, max_size=2))):
        changed.insert(draw(st.integers(0, len(changed))), chunk_of_any_kind)
    return draw(damaged(riff(*changed, size=draw(mostly(None, COUNTS)))))


def bmp(width, height, *, header=40, bits=24, compression=0, colours=0, offset=None, masks=b"", data=bytes(8 * 24)):
    """Return a BMP file with any header, and with 8x8 black pixels."""
    size = (len(data), 2835, 2835, colours, 0)
    info = struct.pack("<5I", *(value & 0xFFFFFFFF for value in size))
    info = struct.pack("<3I2HI", header, width, height, 1, bits & 0xFFFF, compression) + info + masks
    start = 14 + len(info) if offset is None else offset
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(data), 0, 0, start) + info + data


RUNS = [b"\x08\1\0\0" * 8 + b"\0\1", b"\0\2\xff\xff\0\1", b"\xff\1" * 40, b"\0\xff" + bytes(40), b"\0\1"]


@st.composite
def bmp_files(draw):
    bits = draw(mostly(24, st.sampled_from([1, 4, 8, 16, 32, 0, 2, 65535])))
    palette = bytes(range(256)) * 4 if draw(st.booleans()) else b""
    content = bmp(
        draw(mostly(8, COUNTS)),
        draw(mostly(8, COUNTS)),
        header=draw(mostly(40, st.sampled_from([12, 52, 56, 64, 108, 124, 0]) | COUNTS)),
        bits=bits,
        compression=draw(mostly(0, st.sampled_from([1, 2, 3, 4, 5, 6]) | COUNTS)),
        colours=draw(mostly(0, COUNTS)),
        offset=draw(mostly(None, COUNTS)),
        masks=draw(mostly(b"", st.lists(COUNTS, max_size=4).map(numbers))) + palette,
        data=draw(mostly(bytes(8 * 32), st.sampled_from(RUNS) | st.binary(max_size=200))),
    )
    return draw(damaged(content))


# ------------------------------------------------------------------------------------------------------- CIFAR-10

BATCHES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
TYPES = [bytes([kind]) for kind in b"\x001234567SLKxgXD"]
SIZES = [b"-0000000001\0", b"99999999999\0", b"77777777777\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"\0" * 12]
LONG = [b"20 path=../../evil\n", b"9" * 20000, b"30 GNU.sparse.realsize=9999999\n", b"20 size=-99999999999\n"]


def tar_member(name, content, kind=b"0", size=None, link=b""):
    """Return a header with the right checksum, and the content in whole blocks."""
    header = bytearray(tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT))
    header[:100] = name[:100].ljust(100, b"\0")
    header[124:136] = size or f"{len(content):011o}\0".encode()
    header[156:157] = kind
    header[157:257] = link[:100].ljust(100, b"\0")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return bytes(header) + content + bytes(-len(content) % 512)


def cifar_member(number, **lies):
    """Return a member with one record, of the label 1."""
    content = b"\1" + bytes([number]) * 3072
    return tar_member(f"cifar-10-batches-bin/{BATCHES[number]}".encode(), content, **lies)


@st.composite
def cifar_files(draw):
    members = []
    rarely = mostly(None, st.booleans())
    for number in range(6):
        lies = {}
        if draw(rarely):
            lies = {"kind": draw(st.sampled_from(TYPES)), "size": draw(st.sampled_from([None, *SIZES]))}
            lies["link"] = draw(st.sampled_from([b"data_batch_1.bin", b"../../evil", b""]))
        members.append(cifar_member(number, **lies))
    if draw(rarely):
        name = draw(st.sampled_from([b"../../evil", ELSEWHERE.encode(), b"\xff", b"././@LongLink"]))
        content = draw(st.sampled_from(LONG) | st.sampled_from(PICKLES))
        size = draw(mostly(None, st.sampled_from(SIZES)))
        extra = tar_member(name, content, draw(st.sampled_from(TYPES)), size)
        members.insert(draw(st.integers(0, 6)), extra * draw(st.integers(1, 3)))
    content = draw(damaged(b"".join(members) + bytes(1024), most=1))
    return draw(damaged(gzip.compress(content, 1, mtime=0), most=1))
