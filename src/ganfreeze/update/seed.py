"""The step of the original question's code."""

from ganfreeze.types import Update


def build() -> Update:
    """The discriminator is updated on a real batch, then on a batch of fakes from the generator in inference mode
    (`generator.predict`); then the generator on fresh noise.

    Source: eriklindernoren/Keras-GAN, gan/gan.py, `GAN.train`.
    """
    return Update(discriminator_steps=1, batches="split", fakes="inference")
