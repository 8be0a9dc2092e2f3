"""The base class of choices of discriminator layers that stay frozen."""

from abc import ABC, abstractmethod

from ganfreeze.gan.networks import Networks


class Freeze(ABC):
    """A choice of discriminator layers that stay frozen even in the discriminator phase.

    The base class of every file in `freeze/`.
    """

    @abstractmethod
    def apply(self, networks: Networks) -> Networks:
        """Freeze the layers, and return the networks with these as `held`.

        Raises:
            BadInput: the discriminator has too few layers.
        """
