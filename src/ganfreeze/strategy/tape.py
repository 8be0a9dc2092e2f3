"""`tf.GradientTape` and explicit variable lists: nothing is frozen, only the active network is handed gradients."""

from collections.abc import Mapping
from typing import Any

from ganfreeze import phases
from ganfreeze import tensorflow as tf
from ganfreeze.streams import Streams
from ganfreeze.types import Loss, Model, Networks, Optimizers, Phase, PhaseName, Scalars, Strategy, Tensor, Update


class Tape(Strategy):
    """The custom training loop of TensorFlow's guides, one `tf.function` for each phase.

    Both networks run in training mode throughout. A BatchNormalization in the frozen network therefore normalises by
    the batch and goes on moving its averages: the weights are held, the state is not.
    """

    def __init__(self, *, keras: Any, networks: Networks, loss: Loss, optimizers: Optimizers, update: Update) -> None:
        self._networks, self._loss, self._optimizers, self._update = networks, loss, optimizers, update
        optimizers.discriminator.build(networks.discriminator.trainable_variables)
        optimizers.generator.build(networks.generator.trainable_variables)
        learn = {"joint": self._learn_jointly, "split": self._learn_split}[update.batches]
        self.phases: Mapping[PhaseName, Phase] = {
            "discriminator": Phase("discriminator", networks.discriminator, tf.function(learn)),
            "generator": Phase("generator", networks.generator, tf.function(self._fool)),
        }

    def advance(self, streams: Streams, step: int, steps: int) -> Scalars:
        return phases.advance(self.phases, self._update, streams, step, steps)

    def _fakes(self, latent: Tensor) -> Tensor:
        return self._networks.generator(latent, training=self._update.fakes == "training")

    def _learn_jointly(self, real: Tensor, latent: Tensor) -> Mapping[str, Tensor]:
        discriminator, fakes = self._networks.discriminator, self._fakes(latent)
        with tf.GradientTape() as tape:
            real_logits = discriminator(real, training=True)
            fake_logits = discriminator(fakes, training=True)
            loss = self._loss.discriminator(real_logits, fake_logits)
        _descend(self._optimizers.discriminator, tape, loss, discriminator)
        return {
            "discriminator_loss": loss,
            "accuracy_real": phases.accuracy_real(self._loss, real_logits),
            "accuracy_fake": phases.accuracy_fake(self._loss, fake_logits),
        }

    def _learn_split(self, real: Tensor, latent: Tensor) -> Mapping[str, Tensor]:
        discriminator, fakes = self._networks.discriminator, self._fakes(latent)
        with tf.GradientTape() as tape:
            real_logits = discriminator(real, training=True)
            real_loss = self._loss.discriminator(real_logits, real_logits, fake_weights=0.0)
        _descend(self._optimizers.discriminator, tape, real_loss, discriminator)
        with tf.GradientTape() as tape:
            fake_logits = discriminator(fakes, training=True)
            fake_loss = self._loss.discriminator(fake_logits, fake_logits, real_weights=0.0)
        _descend(self._optimizers.discriminator, tape, fake_loss, discriminator)
        return {
            "discriminator_loss": real_loss + fake_loss,
            "accuracy_real": phases.accuracy_real(self._loss, real_logits),
            "accuracy_fake": phases.accuracy_fake(self._loss, fake_logits),
        }

    def _fool(self, real: Tensor, latent: Tensor) -> Mapping[str, Tensor]:
        generator, discriminator = self._networks.generator, self._networks.discriminator
        with tf.GradientTape() as tape:
            real_logits = discriminator(real, training=True) if self._loss.couples else None
            fake_logits = discriminator(generator(latent, training=True), training=True)
            loss = self._loss.generator(real_logits, fake_logits)
        _descend(self._optimizers.generator, tape, loss, generator)
        return {"generator_loss": loss}


def _descend(optimizer: Any, tape: Any, loss: Tensor, network: Model) -> None:
    variables = network.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
