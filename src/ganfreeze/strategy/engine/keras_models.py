"""Keras models that train one network each: what every strategy that goes through `compile` is made of.

A trainer's output is the discriminator's logits, (batch, 1), or with real and fake side by side (batch, 2); of a
discriminator that takes packs, a row for each pack. Its compiled loss is one of `ganfreeze.gan.loss`. So any loss fits,
coupled ones too, and the rest is plain Keras. Which variables `train_on_batch` moves is for the `trainable` flags to
say, and for the Keras version when it reads them.

Penalties on gradients have no place in such a model, and a phase is one call of it: a strategy made of these refuses
what does not go with that (`LIMITS`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend.keras import keras2, keras3
from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import phases
from ganfreeze.types import Model, Tensor

LIMITS = {"regularizer": ["none", "weight_clip"], "fused_steps": ["auto", 1]}
REFUSES = {"jit": ["on"], "keras": ["keras3"], "deterministic": [True]}  # Keras 3 would not compile it, with a warning


class Trainer(ABC):
    """A Keras model with the loss and the optimizer of one phase.

    `compile()` may be called again, after a flag has changed; `run(real, latent)` is the phase. Its scalars are noted
    where Keras computes the loss: a compiled metric would have to be reset before each batch, and fetched after it.
    """

    def __init__(self, game: Game, optimizer: Any, scalars: Sequence[str]) -> None:
        self.networks, self.loss, self.optimizer = game.networks, game.loss, optimizer
        self.model, self._jit = self._build(game.keras), game.execution.jit
        self._noted = {name: tf.Variable(0.0, trainable=False, dtype=tf.float64) for name in scalars}
        self._batches = {"keras": keras3, "tf_keras": keras2}[game.keras.__name__].Batches

    def compile(self) -> None:
        """Compile the model; Keras 2 reads the `trainable` flags now, Keras 3 when it traces the train function."""
        self.model.compile(optimizer=self.optimizer, loss=self._loss, jit_compile=self._jit)
        self._train = self._batches(self.model).train

    @abstractmethod
    def run(self, real: Tensor, latent: Tensor) -> Mapping[str, Tensor]:
        """Train on one batch and return the phase's scalars."""

    @abstractmethod
    def _build(self, keras: Any) -> Model: ...

    @abstractmethod
    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor: ...

    def _note(self, **scalars: Tensor) -> None:
        for name, value in scalars.items():
            self._noted[name].assign(tf.cast(value, tf.float64))

    def _scalars(self) -> Mapping[str, Tensor]:
        return {name: tf.identity(variable) for name, variable in self._noted.items()}


class _Discriminator(Trainer):
    def __init__(self, game: Game, scalars: Sequence[str]) -> None:
        super().__init__(game, game.optimizers.discriminator, scalars)
        generator, training = game.networks.generator, game.update.fakes == "training"
        fakes = lambda latent: generator(latent, training=training)  # noqa: E731
        self._fakes = tf.function(fakes, autograph=False, jit_compile=self._jit)


class JointDiscriminator(_Discriminator):
    """[real, fakes] to logits (batch, 2): one update sees both."""

    def __init__(self, game: Game) -> None:
        super().__init__(game, ("discriminator_loss", "accuracy_real", "accuracy_fake"))

    def run(self, real: Tensor, latent: Tensor) -> Mapping[str, Tensor]:
        unused_labels = tf.zeros((len(real), 2))
        self._train([tf.convert_to_tensor(real), self._fakes(latent)], unused_labels)
        return self._scalars()

    def _build(self, keras: Any) -> Model:
        discriminator = self.networks.discriminator
        real, fakes = (keras.layers.Input(discriminator.input_shape[1:]) for _ in range(2))
        if self.networks.independent:  # one batch of both is faster, and makes no difference
            logits = _columns(keras)(discriminator(keras.layers.Concatenate(axis=0)([real, fakes])))
        else:
            logits = keras.layers.Concatenate()([discriminator(real), discriminator(fakes)])
        return keras.Model([real, fakes], logits, name="discriminator_trainer")

    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        real_logits, fake_logits = logits[:, :1], logits[:, 1:]
        loss = self.loss.discriminator(real_logits, fake_logits)
        self._note(
            discriminator_loss=loss,
            accuracy_real=phases.accuracy_real(self.loss, real_logits),
            accuracy_fake=phases.accuracy_fake(self.loss, fake_logits),
        )
        return loss


class SplitDiscriminator(_Discriminator):
    """Images to logits (batch, 1): an update on the real batch, labelled 1, then one on the fakes, labelled 0."""

    def __init__(self, game: Game) -> None:
        super().__init__(game, ("loss", "real", "fake"))

    def run(self, real: Tensor, latent: Tensor) -> Mapping[str, Tensor]:
        labels = tf.ones((len(real), 1))
        fakes = self._fakes(latent)
        self._train(tf.convert_to_tensor(real), labels)
        on_real = self._scalars()
        self._train(fakes, 0 * labels)
        on_fake = self._scalars()
        return {
            "discriminator_loss": on_real["loss"] + on_fake["loss"],
            "accuracy_real": on_real["real"],
            "accuracy_fake": on_fake["fake"],
        }

    def _build(self, keras: Any) -> Model:
        images = keras.layers.Input(self.networks.discriminator.input_shape[1:])
        return keras.Model(images, self.networks.discriminator(images), name="discriminator_trainer")

    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        side = labels[:1]  # all are alike, and a pack has one logit only
        loss = self.loss.discriminator(logits, logits, real_weights=side, fake_weights=1 - side)
        self._note(
            loss=loss,
            real=phases.accuracy_real(self.loss, logits),
            fake=phases.accuracy_fake(self.loss, logits),
        )
        return loss


class Combined(Trainer):
    """Latent vectors to the logits of their images, (batch, 1); with a coupled loss [real, latent] to (batch, 2)."""

    def __init__(self, game: Game) -> None:
        super().__init__(game, game.optimizers.generator, ("generator_loss",))

    def run(self, real: Tensor, latent: Tensor) -> Mapping[str, Tensor]:
        latent = tf.convert_to_tensor(latent)
        inputs, columns = ([tf.convert_to_tensor(real), latent], 2) if self.loss.couples else (latent, 1)
        unused_labels = tf.ones((len(latent), columns))
        self._train(inputs, unused_labels)
        return self._scalars()

    def _build(self, keras: Any) -> Model:
        generator, discriminator = self.networks.generator, self.networks.discriminator
        latent = keras.layers.Input((self.networks.latent_dim,))
        if not self.loss.couples:
            return keras.Model(latent, discriminator(generator(latent)), name="combined")
        real = keras.layers.Input(discriminator.input_shape[1:])
        logits = keras.layers.Concatenate()([discriminator(real), discriminator(generator(latent))])
        return keras.Model([real, latent], logits, name="combined")

    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        loss = self.loss.generator(logits[:, :1] if self.loss.couples else None, logits[:, -1:])
        self._note(generator_loss=loss)
        return loss


def _columns(keras: Any) -> Any:
    class Columns(keras.layers.Layer):
        """Logits of real examples above those of fakes, (2 batch, 1), to (batch, 2)."""

        def call(self, logits: Tensor) -> Tensor:
            return tf.concat(tf.split(logits, 2), axis=1)

        def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, int]:
            return None, 2

    return Columns()


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
