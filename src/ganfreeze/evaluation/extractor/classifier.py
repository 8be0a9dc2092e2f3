"""A small classifier of a data set, trained once and cached, as a feature extractor."""

import numpy as np

from ganfreeze.data.dataset.base import Dataset
from ganfreeze.data.streams import Streams
from ganfreeze.evaluation.extractor.base import Extractor
from ganfreeze.evaluation.extractor.small_network import BATCH, Batch, Extract, Task, learned


def extractor(dataset: Dataset, *, cache: str, epochs: int) -> Extractor:
    """Return a small CNN, trained on the training split with its labels as `small_network.learned` says.

    Each image is one view. Its logits are those of the classes.
    """
    (images, labels), test = dataset.train, dataset.test
    assert labels is not None and dataset.classes, "only data with labels have a classifier"
    streams = Streams(images, seed=0, batch_size=BATCH, latent_dim=0)

    def batch(step: int) -> Batch:
        return streams.batch(step), labels[streams.indices(step)]

    def accuracy(extract: Extract) -> float:
        return float(np.mean(extract(test.examples).logits.argmax(1) == test.labels))

    task = Task("classifier", "the classifier", dataset.classes, batch, accuracy)
    network = learned(dataset, task, cache=cache, epochs=epochs)
    identity = {"extractor": "classifier", "weights": network.weights, "resize": "none"}
    return Extractor(identity, {"test_accuracy": network.accuracy}, network.extract)
