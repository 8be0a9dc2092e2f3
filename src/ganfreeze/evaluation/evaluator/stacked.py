"""Metrics of stacked images, whose modes are known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Images
from ganfreeze.errors import BadInput
from ganfreeze.evaluation import cache
from ganfreeze.evaluation.evaluator.base import (
    Evaluator,
    PreparedEvaluator,
    glance_samples,
    of_held_out,
    protocol,
)
from ganfreeze.evaluation.extractor import classifier
from ganfreeze.evaluation.metrics import modes
from ganfreeze.evaluation.protocol_card import GLANCE, HELD_OUT
from ganfreeze.types import Count, Folder, Index, Metrics


@dataclass(frozen=True, kw_only=True)
class Stacked(Evaluator):
    """An evaluator that counts the modes of `stacked_mnist`, by a classifier of the images that were stacked.

    `stacked/modes` is the number of modes that have a sample, of 1,000 of stacked MNIST. `stacked/reverse_kl` is
    KL(samples || uniform) in nats over all modes.

    The classes of a sample's channels make its mode. They come from the classifier of the data set whose images were
    stacked, which is MNIST. It is that of `evaluator=classifier`.

    Source: Metz et al. 2017 (unrolled GANs), section 3.3.1; Lin et al. 2018 (PacGAN), section 4.2, with 26,000 samples.
    """

    cache: Folder
    samples: Count = 26000
    seed: Index = 0
    epochs: Count = 4

    def check(self, dataset: Dataset) -> None:
        if dataset.channels is None:
            raise BadInput(
                f"evaluator=stacked needs stacked images: dataset=stacked_mnist, not dataset={dataset.name}. Choose "
                "evaluator=classifier or evaluator=none."
            )

    def metric_names(self) -> Sequence[str]:
        return "stacked/modes", "stacked/reverse_kl"

    def prepare(self, dataset: Dataset) -> PreparedEvaluator:
        assert dataset.channels and dataset.channels.classes, "check() refuses others"
        extractor = classifier.extractor(dataset.channels, cache=self.cache, epochs=self.epochs)
        classes, channels = dataset.channels.classes, dataset.example_shape[2]

        def evaluate(batches: Iterable[Images]) -> Metrics:
            counts = np.zeros(classes**channels, np.int64)
            for images in batches:
                modes_of_images = np.zeros(len(images), np.int64)
                for channel in range(channels):
                    logits = extractor.extract(images[..., channel : channel + 1]).logits
                    modes_of_images = modes_of_images * classes + logits.argmax(1)
                counts += np.bincount(modes_of_images, minlength=len(counts))
            return {"modes": modes.recovered(counts), "reverse_kl": modes.divergence(counts)}

        def prepared(name: str, samples: int) -> PreparedEvaluator:
            key = {"part": "modes of held-out images", "samples": samples, "data": dataset.digest}
            key |= extractor.identity
            real = cache.metrics(Path(self.cache), key, lambda: of_held_out(dataset, samples, evaluate))
            held_out = {HELD_OUT: {**real, **extractor.facts}}
            card = protocol(dataset, split="none", samples=samples, **extractor.identity, **held_out)
            return PreparedEvaluator(name, samples, self.seed, card, extractor.facts, evaluate)

        glance = partial(prepared, f"stacked{GLANCE}", glance_samples(self.samples))
        return prepared("stacked", self.samples)._replace(glance=glance)
