"""No frozen layers: the whole discriminator trains in its phase."""

from dataclasses import dataclass

from ganfreeze.gan.freeze.base import Freeze
from ganfreeze.gan.networks import Networks


@dataclass(frozen=True)
class NoFreeze(Freeze):
    """No layer stays frozen in the discriminator phase."""

    def apply(self, networks: Networks) -> Networks:
        return networks
