"""Both phases under `tf.GradientTape`, with explicit variable lists: nothing is frozen, only the active network is
handed gradients. What every strategy that differentiates by itself is made of.

Both networks run in training mode throughout. A BatchNormalization in the frozen network therefore normalises by the
batch and goes on moving its averages: the weights are held, the state is not.
"""

from collections.abc import Mapping
from typing import Any

from ganfreeze import phases
from ganfreeze import tensorflow as tf
from ganfreeze.types import Game, PhaseName, Play, Tensor


class Taped:
    """The phases of a game: `learn(real, latent)` is the discriminator's, `fool(real, latent)` the generator's."""

    def __init__(self, game: Game) -> None:
        self._game = game
        self._generator, self._discriminator = game.networks.generator, game.networks.discriminator
        self._weights = {
            "discriminator": list(self._discriminator.trainable_variables),
            "generator": list(self._generator.trainable_variables),
        }
        game.optimizers.build(**self._weights)

    def learn(self, real: Tensor, latent: Tensor) -> Mapping[str, Tensor]:
        """Update the discriminator on real examples and fakes, at once or one after the other."""
        fakes = self._generator(latent, training=self._game.update.fakes == "training")
        each = {"joint": self._learn_jointly, "split": self._learn_split}[self._game.update.batches]
        loss, real_logits, fake_logits = each(self._play(real, latent, fakes))
        return {
            "discriminator_loss": loss,
            "accuracy_real": phases.accuracy_real(self._game.loss, real_logits),
            "accuracy_fake": phases.accuracy_fake(self._game.loss, fake_logits),
        }

    def fool(self, real: Tensor, latent: Tensor) -> Mapping[str, Tensor]:
        """Update the generator."""
        game, discriminator = self._game, self._discriminator
        with tf.GradientTape() as tape:
            fakes = self._generator(latent, training=True)
            real_logits = discriminator(real, training=True) if game.loss.couples else None
            loss = game.loss.generator(real_logits, discriminator(fakes, training=True))
            loss += self._penalty("generator", self._play(real, latent, fakes), loss.dtype)
        self._descend("generator", tape, loss)
        return {"generator_loss": loss}

    def _learn_jointly(self, play: Play) -> tuple[Tensor, Tensor, Tensor]:
        with tf.GradientTape() as tape:
            real_logits = self._discriminator(play.real, training=True)
            fake_logits = self._discriminator(play.fakes, training=True)
            loss = play.loss.discriminator(real_logits, fake_logits)
            loss += self._penalty("discriminator", play, loss.dtype)
        self._descend("discriminator", tape, loss)
        return loss, real_logits, fake_logits

    def _learn_split(self, play: Play) -> tuple[Tensor, Tensor, Tensor]:
        with tf.GradientTape() as tape:
            real_logits = self._discriminator(play.real, training=True)
            real_loss = play.loss.discriminator(real_logits, real_logits, fake_weights=0.0)
        self._descend("discriminator", tape, real_loss)
        with tf.GradientTape() as tape:
            fake_logits = self._discriminator(play.fakes, training=True)
            fake_loss = play.loss.discriminator(fake_logits, fake_logits, real_weights=0.0)
        self._descend("discriminator", tape, fake_loss)
        return real_loss + fake_loss, real_logits, fake_logits

    def _play(self, real: Tensor, latent: Tensor, fakes: Tensor) -> Play:
        return Play(self._game.networks, self._game.loss, real, latent, fakes)

    def _penalty(self, phase: PhaseName, play: Play, dtype: Any) -> Tensor:
        """Of the loss's type: some of TF-GAN's losses are in single precision whatever the logits are."""
        return tf.cast(self._game.regularizer.penalty(phase, play), dtype)

    def _descend(self, phase: str, tape: Any, loss: Tensor) -> None:
        weights = self._weights[phase]
        optimizer = getattr(self._game.optimizers, phase)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
