"""What the strategies share: how the scalars of a phase are named, and how phases make up steps."""

from collections.abc import Mapping
from typing import Any

from ganfreeze import tensorflow as tf
from ganfreeze.streams import Streams
from ganfreeze.types import Loss, Phase, PhaseName, Scalars, Tensor, Update


def accuracy_real(loss: Loss, logits: Tensor) -> Tensor:
    """The share of real images that the discriminator calls real; logits (batch, 1), a scalar in [0, 1]."""
    return tf.reduce_mean(tf.cast(logits > loss.boundary, tf.float32))


def accuracy_fake(loss: Loss, logits: Tensor) -> Tensor:
    """The share of fakes that the discriminator calls fake; logits (batch, 1), a scalar in [0, 1]."""
    return tf.reduce_mean(tf.cast(logits <= loss.boundary, tf.float32))


def advance(phases: Mapping[PhaseName, Phase], update: Update, streams: Streams, step: int, steps: int) -> Scalars:
    """Run `steps` steps from `step` on, phase by phase as `update` orders them; the mean of each scalar."""
    seen: dict[str, list[Any]] = {}
    for now in range(step, step + steps):
        for name, draw in update.calls():
            scalars = phases[name].run(streams.batch(now, draw), streams.noise(now, name, draw))
            for key, value in scalars.items():
                seen.setdefault(key, []).append(value)
    return {key: float(tf.reduce_mean(tf.stack(values))) for key, values in seen.items()}
