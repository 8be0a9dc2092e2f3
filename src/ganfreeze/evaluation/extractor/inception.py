"""The Inception-v3 graph that TF-GAN evaluates with, from TF-Hub or from a local SavedModel."""

import socket
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.data.dataset.base import Images
from ganfreeze.data.streams import scale
from ganfreeze.errors import BadInput, one_line
from ganfreeze.evaluation.extractor.base import Extractor, Features

_SIDE = 299
_BATCH = 50  # at 299x299, the first layers of a larger one take gigabytes
_PATIENCE = 30.0  # seconds without a byte from TF-Hub

_ADVICE = (
    "evaluator=inception needs TF-GAN's Inception graph, {handle}. With a network connection, it is downloaded from "
    "TF-Hub into the folder that the environment variable TFHUB_CACHE_DIR names. Without one: download it on another "
    "machine, with ?tf-hub-format=compressed after its address, unpack it, and set evaluator.weights=FOLDER."
)


def extractor(weights: str | None, resize: str) -> Extractor:
    """Return the graph in the folder `weights`, or TF-Hub's without one; `resize` brings images to 299x299.

    `resize` is "tfgan" or "clean".

    Raises:
        BadInput: the graph cannot be downloaded or read, or does not map images to "pool_3" and "logits".
    """
    folder = Path(weights) if weights else _from_hub()
    try:
        module = tf.saved_model.load(str(folder))
    except Exception as error:  # OSError, ValueError, or any error of the graph's reader
        raise BadInput(f"{folder} cannot be read as a SavedModel ({one_line(error, 300)}).") from error
    identity = {"extractor": "inception", "weights": _hash(folder), "resize": resize}
    resized = {"tfgan": _bilinear, "clean": _clean}[resize]
    infer = tf.function(_outputs(module, folder), reduce_retracing=True)

    def extract(images: Images) -> Features:
        starts = range(0, len(images), _BATCH)
        outputs = [infer(resized(_rgb(images[start : start + _BATCH]))) for start in starts]
        return Features(*(np.concatenate(part) for part in zip(*outputs, strict=True)))

    return Extractor(identity, {}, extract)


def _from_hub() -> Path:
    """Return the folder of the graph in TF-Hub's own cache, after a download if it is not there.

    TF-Hub itself would wait forever for an answer, so the download has a timeout.
    """
    handle = tfgan.evaluation.INCEPTION_TFHUB
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        return Path(tfgan.hub.resolve(handle))
    except Exception as error:  # of urllib or tarfile, OSError, RuntimeError: each means that there is no graph
        reason = one_line(error, 300)
        raise BadInput(f"TF-Hub could not be reached ({reason}). {_ADVICE.format(handle=handle)}") from error
    finally:
        socket.setdefaulttimeout(patience)


def _outputs(module: Any, folder: Path) -> Callable[[Any], tuple[Any, Any]]:
    """Return a function from images (n, 299, 299, 3) in [-1, 1] to features (n, d) and logits (n, classes).

    The features are those of the last pool.
    """
    names = (tfgan.evaluation.INCEPTION_FINAL_POOL, tfgan.evaluation.INCEPTION_OUTPUT)

    def outputs(images: Any) -> tuple[Any, Any]:
        tensors = module(images)
        return tuple(tf.reshape(tensors[name], (tf.shape(images)[0], -1)) for name in names)  # pyright: ignore

    try:
        outputs(tf.zeros((1, _SIDE, _SIDE, 3)))
    except Exception as error:  # it is not callable, or takes or returns something else
        raise BadInput(
            f"{folder} is a SavedModel, but not a function from images (n, {_SIDE}, {_SIDE}, 3) to a dict with "
            f"{' and '.join(names)}: {one_line(error, 300)}"
        ) from error
    return outputs


def _rgb(images: Images) -> Images:
    return np.broadcast_to(images, (*images.shape[:3], 3))


def _bilinear(images: Images) -> Any:
    """Resize as TF-GAN's examples do: with half-pixel centres and no antialiasing."""
    return tf.image.resize(scale(images), (_SIDE, _SIDE), method="bilinear")


def _clean(images: Images) -> NDArray[np.float32]:
    """Resize as clean-fid does: Pillow's bicubic filter, wider if images shrink, on each channel in float32."""

    def resized(channel: NDArray[np.uint8]) -> NDArray[np.float32]:
        picture = Image.fromarray(channel.astype(np.float32))
        return np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)).clip(0, 255)

    pictures = [np.stack([resized(image[..., channel]) for channel in range(3)], axis=2) for image in images]
    return np.stack(pictures) / np.float32(127.5) - np.float32(1)


def _hash(folder: Path) -> str:
    """Return the SHA-256 of the names, sizes and contents of all files."""
    digest = sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
