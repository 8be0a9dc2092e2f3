"""The step of the original question's code."""

from dataclasses import dataclass
from typing import Literal

from ganfreeze.types import Update


@dataclass(frozen=True, kw_only=True)
class Seed(Update):
    """The discriminator is updated on a real batch, then on a batch of fakes from the generator in inference mode
    (`generator.predict`); then the generator on fresh noise.

    That code hands one Adam to both trainers (`optimizers: shared`), which today's Keras refuses unless the optimizer is
    built for all variables first; the separate ones here are what its readers have made of it since.

    Source: eriklindernoren/Keras-GAN, gan/gan.py, `GAN.train`.
    """

    batches: Literal["joint", "split"] = "split"
    fakes: Literal["training", "inference"] = "inference"
