"""The whole discriminator trains in its phase."""

from dataclasses import dataclass

from ganfreeze.gan.freeze.base import Freeze
from ganfreeze.gan.networks import Networks


@dataclass(frozen=True)
class NoFreeze(Freeze):
    """No layer is held."""

    def apply(self, networks: Networks) -> Networks:
        return networks
