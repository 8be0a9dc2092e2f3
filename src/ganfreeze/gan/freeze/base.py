"""What a file in `freeze/` holds."""

from abc import ABC, abstractmethod

from ganfreeze.gan.networks import Networks


class Freeze(ABC):
    """What a file in `freeze/` holds: which layers of the discriminator stay still in its own phase as well."""

    @abstractmethod
    def apply(self, networks: Networks) -> Networks:
        """Hold the layers. Raises BadInput where the discriminator has no such layers to spare."""
