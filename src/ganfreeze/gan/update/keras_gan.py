"""The step of the original question's code."""

from dataclasses import dataclass

from ganfreeze.gan.update.base import Batches, Fakes, Update


@dataclass(frozen=True, kw_only=True)
class KerasGan(Update):
    """The discriminator is updated on a real batch, then on a batch of fakes from the generator in inference mode
    (`generator.predict`); then the generator on fresh noise.

    That code hands one Adam to both trainers (`optimizers: shared`). Keras has refused that since 2.11, unless the
    optimizer is built for the variables of both first, as it is here; separate ones are what its readers made of it.

    Source: eriklindernoren/Keras-GAN, gan/gan.py, `GAN.train`.
    """

    batches: Batches = "split"
    fakes: Fakes = "inference"
