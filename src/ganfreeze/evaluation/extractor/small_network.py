"""A small convolutional network that learns a task on a data set's own images, once, and is cached."""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend.keras import keras2
from ganfreeze.data.dataset.base import Dataset, Images
from ganfreeze.data.streams import scale
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.extractor.base import Features
from ganfreeze.types import Model

_log = logging.getLogger(__name__)
_RECIPE = 1  # raise it when `_train` changes, so that old networks are not read
BATCH = 64
_LEAST_STEPS = 1500
_INFERENCE_BATCH = 500

Extract = Callable[[Images], Features]
Batch = tuple[NDArray[np.floating], NDArray[np.int64]]  # images in [-1, 1], and labels


class Task(NamedTuple):
    """What a network learns: to tell `classes` apart.

    `name` names its folder in the cache, and `title` what is trained, in words. `batch` returns the `BATCH` images of a
    step in [-1, 1], and their labels. `accuracy` returns the share of held-out images that an extractor puts right.
    """

    name: str
    title: str
    classes: int
    batch: Callable[[int], Batch]
    accuracy: Callable[[Extract], float]


class Learned(NamedTuple):
    """A trained network: its extractor, the SHA-256 of its weights, and its accuracy on held-out images."""

    extract: Extract
    weights: str
    accuracy: float


def check(evaluator: str, dataset: Dataset) -> None:
    """Raise BadInput, with the name of the `evaluator`, if the images are too small for the network."""
    if min(dataset.example_shape[:2]) < 2:
        raise BadInput(
            f"evaluator={evaluator} needs images of 2x2 or more; dataset={dataset.name} has {dataset.example_shape}."
        )


def learned(dataset: Dataset, task: Task, *, cache: str, epochs: int) -> Learned:
    """Return a small CNN that was trained on a task and cached under `cache`.

    It is trained for `epochs` times as many views as there are training images, and at least 1,500 steps, with Adam,
    batches of 64 and a cosine decay from 1e-3. Its features are the 128 outputs of its penultimate layer, after ReLU.
    It runs in Keras 2 and single precision, whichever Keras and precision the GAN has.
    """
    keras = keras2.load()
    folder = Path(cache) / task.name / f"{dataset.digest[:16]}-{_RECIPE}-{epochs}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"), _single_precision(keras):  # if several jobs start at once, one trains it
        model, card = _read(keras, folder, dataset, task) or _train(keras, folder, dataset, task, epochs)
    return Learned(_extract(model), card["weights"], card["test_accuracy"])


@contextmanager
def _single_precision(keras: Any) -> Iterator[None]:
    floatx, policy = keras.backend.floatx(), keras.mixed_precision.global_policy()
    keras.backend.set_floatx("float32")
    keras.mixed_precision.set_global_policy("float32")
    try:
        yield
    finally:
        keras.backend.set_floatx(floatx)
        keras.mixed_precision.set_global_policy(policy)


def _train(keras: Any, folder: Path, dataset: Dataset, task: Task, epochs: int) -> tuple[Model, Mapping[str, Any]]:
    _log.info("training %s of %s, once; it is saved in %s", task.title, dataset.name, folder)
    keras.utils.set_random_seed(0)
    steps = max(_LEAST_STEPS, epochs * len(dataset.train.examples) // BATCH)
    model = _network(keras, dataset, task)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps))
    trainer = keras.Model(model.input, model.output[1])
    trainer.compile(optimizer, loss, jit_compile=False)
    trainer.fit((task.batch(step) for step in range(steps)), steps_per_epoch=steps, verbose=0)
    accuracy = task.accuracy(_extract(model))

    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        unfinished = Path(temporary) / folder.name
        unfinished.mkdir()
        weights = unfinished / _weights_file(task)
        model.save_weights(weights)
        card = {"weights": _hash(weights), "test_accuracy": accuracy}
        (unfinished / "card.json").write_text(json.dumps(card))
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.replace(folder)
    return model, card


def _network(keras: Any, dataset: Dataset, task: Task) -> Model:
    """Build a network from images in [-1, 1] to features (batch, 128) and logits (batch, classes)."""
    layers = keras.layers
    image = layers.Input(dataset.example_shape)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(image)
    if min(dataset.example_shape[:2]) >= 16:
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Dropout(0.25)(layers.MaxPooling2D()(x))
    features = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    logits = layers.Dense(task.classes)(layers.Dropout(0.5)(features))
    return keras.Model(image, [features, logits], name=task.name)


def _read(keras: Any, folder: Path, dataset: Dataset, task: Task) -> tuple[Model, Mapping[str, Any]] | None:
    """Read what `_train` wrote; return None if it is missing, or broken, which logs a warning."""
    if not folder.exists():
        return None
    weights = folder / _weights_file(task)
    try:
        card = json.loads((folder / "card.json").read_text())
        if _hash(weights) != card["weights"]:
            raise ValueError("the weights' checksum is wrong")
        model = _network(keras, dataset, task)
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        _log.warning("%s in %s is broken (%s) and is trained again", task.title, folder, error)
        return None
    return model, card


def _weights_file(task: Task) -> str:
    return f"{task.name}.weights.h5"


def _extract(model: Model) -> Extract:
    infer = tf.function(lambda batch: model(batch, training=False), autograph=False, reduce_retracing=True)

    def extract(images: Images) -> Features:
        starts = range(0, len(images), _INFERENCE_BATCH)
        outputs = [infer(scale(images[start : start + _INFERENCE_BATCH])) for start in starts]
        return Features(*(np.concatenate(part) for part in zip(*outputs, strict=True)))

    return extract


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
