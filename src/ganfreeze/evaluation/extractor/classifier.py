"""A small classifier of a data set, trained once and cached, as a feature extractor."""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend.keras import keras2
from ganfreeze.data.dataset.base import Dataset, Images
from ganfreeze.data.streams import Streams, scale
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.extractor.base import Extractor, Features
from ganfreeze.types import Model

_log = logging.getLogger(__name__)
_RECIPE = 1  # raise it when `_train` changes, so that old classifiers are not read
_BATCH = 64
_LEAST_STEPS = 1500
_INFERENCE_BATCH = 500


def check(evaluator: str, dataset: Dataset) -> None:
    """Raise BadInput, with the name of the `evaluator`, if no classifier can be trained on this data set."""
    if not dataset.classes or dataset.classes < 2:
        raise BadInput(
            f"evaluator={evaluator} needs a data set with two classes or more; dataset={dataset.name} has "
            f"{'no labels' if dataset.classes is None else 'one class'}. Choose evaluator=none."
        )
    if min(dataset.example_shape[:2]) < 2:
        raise BadInput(
            f"evaluator={evaluator} needs images of 2x2 or more; dataset={dataset.name} has {dataset.example_shape}."
        )


def extractor(dataset: Dataset, *, cache: str, epochs: int) -> Extractor:
    """Return a small CNN, trained on the training split with its labels and cached under `cache`.

    It is trained for `epochs`, and at least 1,500 steps, with Adam, batches of 64 and a cosine decay from 1e-3. Its
    features are the 128 outputs of its penultimate layer, after ReLU. It runs in Keras 2 and single precision,
    whichever Keras and precision the GAN has.
    """
    keras = keras2.load()
    folder = Path(cache) / "classifier" / f"{dataset.digest[:16]}-{_RECIPE}-{epochs}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"), _single_precision(keras):  # if several jobs start at once, one trains it
        model, card = _read(keras, folder, dataset) or _train(keras, folder, dataset, epochs)
    identity = {"extractor": "classifier", "weights": card["weights"], "resize": "none"}
    return Extractor(identity, {"test_accuracy": card["test_accuracy"]}, _extract(model))


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


def _train(keras: Any, folder: Path, dataset: Dataset, epochs: int) -> tuple[Model, Mapping[str, Any]]:
    _log.info("training the classifier of %s, once; it is saved in %s", dataset.name, folder)
    keras.utils.set_random_seed(0)
    images, labels = dataset.train
    assert labels is not None, "check() refuses data without labels"
    steps = max(_LEAST_STEPS, epochs * len(images) // _BATCH)
    model = _network(keras, dataset)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps))
    streams = Streams(images, seed=0, batch_size=_BATCH, latent_dim=0)
    batches = ((streams.batch(step), labels[streams.indices(step)]) for step in range(steps))
    trainer = keras.Model(model.input, model.output[1])
    trainer.compile(optimizer, loss, jit_compile=False)
    trainer.fit(batches, steps_per_epoch=steps, verbose=0)
    accuracy = float(np.mean(_extract(model)(dataset.test.examples).logits.argmax(1) == dataset.test.labels))

    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        unfinished = Path(temporary) / folder.name
        unfinished.mkdir()
        model.save_weights(unfinished / "classifier.weights.h5")
        card = {"weights": _hash(unfinished / "classifier.weights.h5"), "test_accuracy": accuracy}
        (unfinished / "card.json").write_text(json.dumps(card))
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.replace(folder)
    return model, card


def _network(keras: Any, dataset: Dataset) -> Model:
    """Build a network from images in [-1, 1] to features (batch, 128) and logits (batch, classes)."""
    layers = keras.layers
    image = layers.Input(dataset.example_shape)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(image)
    if min(dataset.example_shape[:2]) >= 16:
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Dropout(0.25)(layers.MaxPooling2D()(x))
    features = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    logits = layers.Dense(dataset.classes)(layers.Dropout(0.5)(features))
    return keras.Model(image, [features, logits], name="classifier")


def _read(keras: Any, folder: Path, dataset: Dataset) -> tuple[Model, Mapping[str, Any]] | None:
    """Read what `_train` wrote; return None if it is missing, or broken, which logs a warning."""
    if not folder.exists():
        return None
    weights = folder / "classifier.weights.h5"
    try:
        card = json.loads((folder / "card.json").read_text())
        if _hash(weights) != card["weights"]:
            raise ValueError("the weights' checksum is wrong")
        model = _network(keras, dataset)
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        _log.warning("the classifier in %s is broken (%s) and is trained again", folder, error)
        return None
    return model, card


def _extract(model: Model) -> Callable[[Images], Features]:
    infer = tf.function(lambda batch: model(batch, training=False), autograph=False, reduce_retracing=True)

    def extract(images: Images) -> Features:
        starts = range(0, len(images), _INFERENCE_BATCH)
        outputs = [infer(scale(images[start : start + _INFERENCE_BATCH])) for start in starts]
        return Features(*(np.concatenate(part) for part in zip(*outputs, strict=True)))

    return extract


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
