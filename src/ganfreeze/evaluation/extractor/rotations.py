"""A small network that learned to tell how far an image was turned, as a feature extractor of data without labels."""

import logging

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Images
from ganfreeze.data.streams import Streams
from ganfreeze.evaluation.extractor.base import Extractor, Features
from ganfreeze.evaluation.extractor.small_network import BATCH, Batch, Extract, Task, learned

_log = logging.getLogger(__name__)
_GUESSING = 1.5  # times the accuracy of chance, below which little was learned


def extractor(dataset: Dataset, *, cache: str, epochs: int) -> Extractor:
    """Return a small CNN, trained without labels on the training split as `small_network.learned` says.

    Each image has four views in the same batch: as it is, and turned by 90, 180 and 270 degrees; two views if it is not
    square, as it is and turned by 180. The network tells the views of an image apart. Its features are those of images
    as they are. There are no logits of classes.

    This needs nothing but the images. A random network of the same layers would be cheaper (Naeem et al. 2020 use one)
    but sees less of their structure. With 6,000 digits of MNIST, 1 stands for the FID of held-out digits. Digits put
    together of halves of two others then have 59 by these features, 2.4 by random ones, and 6.8 by those of labels; two
    of the ten digits alone have 17, 8 and 37. `rotation_accuracy` says how well it learned. If images look alike when
    they are turned, it cannot learn much, and a warning says so.

    Source: Gidaris, Singh, Komodakis 2018 (RotNet), section 2; Morozov, Voynov, Babenko 2021 evaluate GANs on features
    that were learned without labels.
    """
    height, width = dataset.example_shape[:2]
    turns = (0, 1, 2, 3) if height == width else (0, 2)  # of 90 degrees
    streams = Streams(dataset.train.examples, seed=0, batch_size=BATCH // len(turns), latent_dim=0)

    def batch(step: int) -> Batch:
        images = streams.batch(step)
        views = np.concatenate([np.rot90(images, turn, axes=(1, 2)) for turn in turns])
        return views, np.repeat(np.arange(len(turns)), len(images))

    def accuracy(extract: Extract) -> float:
        views = [np.rot90(dataset.test.examples, turn, axes=(1, 2)) for turn in turns]
        return float(np.mean([extract(view).logits.argmax(1) == label for label, view in enumerate(views)]))

    task = Task("rotations", "a predictor of rotations", len(turns), batch, accuracy)
    network = learned(dataset, task, cache=cache, epochs=epochs)
    if network.accuracy < _GUESSING / len(turns):
        _log.warning(
            "warning: the images of %s look alike when they are turned: %.0f%% of the rotations were predicted, and "
            "chance is %.0f%%. Features that are learned so say little of them; evaluator=inception has others",
            *(dataset.name, 100 * network.accuracy, 100 / len(turns)),
        )

    def extract(images: Images) -> Features:
        vectors = network.extract(images).vectors
        return Features(vectors, np.empty((len(vectors), 0), np.float32))

    identity = {"extractor": "rotations", "weights": network.weights, "resize": "none"}
    return Extractor(identity, {"rotation_accuracy": network.accuracy}, extract)
