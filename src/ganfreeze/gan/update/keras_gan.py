"""The training step of Keras-GAN's `gan.py`, the code in the question "Why does the discriminator still train?"."""

from dataclasses import dataclass

from ganfreeze.gan.update.base import Batches, Fakes, Update


@dataclass(frozen=True, kw_only=True)
class KerasGan(Update):
    """The step of Keras-GAN: the discriminator is updated on a real batch, then on a fake batch, then the generator.

    The fakes come from the generator in inference mode (`generator.predict`). The generator is updated on fresh noise.

    Keras-GAN uses one Adam for both trainers (`optimizers: shared`). Since 2.11 Keras raises an error for this, unless
    the optimizer was first built for the variables of both, as it is here. Readers of that code use separate
    optimizers instead, and so does this option by default.

    Source: eriklindernoren/Keras-GAN, gan/gan.py, `GAN.train`.
    """

    batches: Batches = "split"
    fakes: Fakes = "inference"
