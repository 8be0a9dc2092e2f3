"""The textbook's step: the discriminator first, then the generator."""

from ganfreeze.types import Count, Update


def build(*, discriminator_steps: Count = 1) -> Update:
    """`discriminator_steps` joint updates on real and fake images, each on a batch and noise of its own, then one of
    the generator on fresh noise. The fakes come from the generator in training mode.

    Source: Goodfellow et al. 2014, algorithm 1, where `discriminator_steps` is k.
    """
    return Update(discriminator_steps=discriminator_steps, batches="joint", fakes="training")
