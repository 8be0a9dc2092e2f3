"""FreezeD: the discriminator's lower layers stay frozen even in the discriminator phase."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ganfreeze.errors import BadInput
from ganfreeze.gan.freeze.base import Freeze
from ganfreeze.gan.networks import Networks
from ganfreeze.types import Count, Model


@dataclass(frozen=True, kw_only=True)
class Lower(Freeze):
    """The lowest layers stay frozen (FreezeD).

    - `layers`: how many layers with a kernel stay frozen, counted from the input.

    Layers between the last of these and the next kernel are frozen as well. BatchNormalization among them runs in
    inference mode in every phase and under every strategy.

    Source: Mo, Cho, Shin 2020, section 3 (for fine-tuning a pretrained discriminator).
    """

    layers: Count = 1

    def apply(self, networks: Networks) -> Networks:
        layers = list(_in_order(networks.discriminator))
        kernels = [
            index for index, layer in enumerate(layers) if any(len(weight.shape) > 1 for weight in layer.weights)
        ]
        if self.layers >= len(kernels):
            most = f"at most {len(kernels) - 1} can be held" if len(kernels) > 1 else "set freeze=none"
            raise BadInput(
                f"freeze.layers={self.layers}: this discriminator has {len(kernels)} layers with a kernel, and at "
                f"least one must train; {most}."
            )
        held = tuple(layer for layer in layers[: kernels[self.layers]] if layer.weights)
        weights = tuple(weight for layer in held for weight in layer.trainable_weights)
        for layer in held:
            layer.trainable = False
        return replace(networks, held=held, held_weights=weights)


def _in_order(model: Model) -> Iterator[Any]:
    """Yield the layers of a model from its input to its output, those of nested models in their place."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _in_order(layer)
        else:
            yield layer
