"""Keras models that train one network each: what every strategy that goes through `compile` is made of.

A trainer's output is the discriminator's logits, (batch, 1), or with real and fake side by side (batch, 2); of a
discriminator that takes packs, a row for each pack. Its compiled loss is one of `ganfreeze.loss`. So any loss fits,
coupled ones too, and the rest is plain Keras. Which variables `train_on_batch` moves is for the `trainable` flags to
say, and for the Keras version when it reads them.

Penalties on gradients have no place in such a model: a strategy made of these refuses them (`LIMITS`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganfreeze import phases
from ganfreeze import tensorflow as tf
from ganfreeze.types import Game, Model, Tensor

LIMITS = {"regularizer": ["none", "weight_clip"]}


class Trainer(ABC):
    """A Keras model with the loss and the optimizer of one phase.

    `compile()` may be called again, after a flag has changed; `run(real, latent)` is the phase.
    """

    def __init__(self, game: Game, optimizer: Any) -> None:
        self.networks, self.loss, self.optimizer = game.networks, game.loss, optimizer
        self.model = self._build(game.keras)

    def compile(self) -> None:
        """Compile the model; Keras 2 reads the `trainable` flags now, Keras 3 when it traces the train function.

        Keras 3 would choose XLA by itself, whose convolutions are slow on a CPU: both Keras compile without it.
        """
        self.model.compile(optimizer=self.optimizer, loss=self._loss, metrics=self._metrics(), jit_compile=False)

    @abstractmethod
    def run(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        """Train on one batch and return the phase's scalars."""

    @abstractmethod
    def _build(self, keras: Any) -> Model: ...

    @abstractmethod
    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor: ...

    def _metrics(self) -> list[Any]:
        return []


class _Discriminator(Trainer):
    def __init__(self, game: Game) -> None:
        super().__init__(game, game.optimizers.discriminator)
        generator, training = game.networks.generator, game.update.fakes == "training"
        self._fakes = tf.function(lambda latent: generator(latent, training=training))


class JointDiscriminator(_Discriminator):
    """[real, fakes] to logits (batch, 2): one update sees both."""

    def run(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        unused_labels = np.zeros((len(real), 2), np.float32)
        images = [tf.convert_to_tensor(real), self._fakes(latent)]
        logs = self.model.train_on_batch(images, unused_labels, return_dict=True)
        return {"discriminator_loss": logs.pop("loss"), **logs}

    def _build(self, keras: Any) -> Model:
        discriminator = self.networks.discriminator
        real, fakes = (keras.layers.Input(discriminator.input_shape[1:]) for _ in range(2))
        logits = keras.layers.Concatenate()([discriminator(real), discriminator(fakes)])
        return keras.Model([real, fakes], logits, name="discriminator_trainer")

    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        return self.loss.discriminator(logits[:, :1], logits[:, 1:])

    def _metrics(self) -> list[Any]:
        def accuracy_real(labels: Tensor, logits: Tensor) -> Tensor:
            return phases.accuracy_real(self.loss, logits[:, :1])

        def accuracy_fake(labels: Tensor, logits: Tensor) -> Tensor:
            return phases.accuracy_fake(self.loss, logits[:, 1:])

        return [accuracy_real, accuracy_fake]


class SplitDiscriminator(_Discriminator):
    """Images to logits (batch, 1): an update on the real batch, labelled 1, then one on the fakes, labelled 0."""

    def run(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        labels = np.ones((len(real), 1), np.float32)
        fakes = self._fakes(latent)
        on_real = self.model.train_on_batch(real, labels, return_dict=True)
        on_fake = self.model.train_on_batch(fakes, 0 * labels, return_dict=True)
        return {
            "discriminator_loss": on_real["loss"] + on_fake["loss"],
            "accuracy_real": on_real["accuracy"],
            "accuracy_fake": on_fake["accuracy"],
        }

    def _build(self, keras: Any) -> Model:
        images = keras.layers.Input(self.networks.discriminator.input_shape[1:])
        return keras.Model(images, self.networks.discriminator(images), name="discriminator_trainer")

    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        side = labels[:1]  # all are alike, and a pack has one logit only
        return self.loss.discriminator(logits, logits, real_weights=side, fake_weights=1 - side)

    def _metrics(self) -> list[Any]:
        def accuracy(labels: Tensor, logits: Tensor) -> Tensor:
            real = phases.accuracy_real(self.loss, logits)
            return tf.where(labels[0, 0] > 0, real, 1 - real)

        return [accuracy]


class Combined(Trainer):
    """Latent vectors to the logits of their images, (batch, 1); with a coupled loss [real, latent] to (batch, 2)."""

    def __init__(self, game: Game) -> None:
        super().__init__(game, game.optimizers.generator)

    def run(self, real: Tensor, latent: Tensor) -> Mapping[str, float]:
        inputs, columns = ([real, latent], 2) if self.loss.couples else (latent, 1)
        unused_labels = np.ones((len(latent), columns), np.float32)
        return {"generator_loss": self.model.train_on_batch(inputs, unused_labels, return_dict=True)["loss"]}

    def _build(self, keras: Any) -> Model:
        generator, discriminator = self.networks.generator, self.networks.discriminator
        latent = keras.layers.Input((self.networks.latent_dim,))
        if not self.loss.couples:
            return keras.Model(latent, discriminator(generator(latent)), name="combined")
        real = keras.layers.Input(discriminator.input_shape[1:])
        logits = keras.layers.Concatenate()([discriminator(real), discriminator(generator(latent))])
        return keras.Model([real, latent], logits, name="combined")

    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        real_logits = logits[:, :1] if self.loss.couples else None
        return self.loss.generator(real_logits, logits[:, -1:])


def pair(game: Game, *, combined_trains_both: bool = False) -> tuple[Trainer, Trainer]:
    """The trainers of the discriminator phase and of the generator phase, not yet compiled.

    The optimizers' slots are made here, before the first batch; a combined model that trains the discriminator as well
    needs slots for it.
    """
    generator = game.networks.generator.trainable_variables
    discriminator = game.networks.discriminator.trainable_variables
    both = [*generator, *discriminator]
    game.optimizers.build(generator=both if combined_trains_both else generator, discriminator=discriminator)
    trainer = {"joint": JointDiscriminator, "split": SplitDiscriminator}[game.update.batches]
    return trainer(game), Combined(game)
