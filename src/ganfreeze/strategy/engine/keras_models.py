"""Keras models that train one network each, for all strategies that use `compile()` and the `trainable` flags.

A trainer's output is the discriminator's logits, (batch, 1), or those of real and fake side by side, (batch, 2). A
discriminator that takes packs gives one row for each pack. The compiled loss is one of `ganfreeze.gan.loss`, so any
loss fits, coupled ones too.

Only the first batch after a `compile()` goes through `train_on_batch` of Keras. Later batches go straight to the train
function that Keras made, because what `train_on_batch` does around it takes longer than a small batch (`BatchTrainer`
in `ganfreeze.backend.keras`). Eager Keras 2 is the exception: it calls `train_on_batch` for every batch. There the
train function reads the flags at every batch, and `train_on_batch` sets them to what `compile()` remembered. So, as in
plain Keras, the `trainable` flags, and when a version of Keras reads them, decide which variables move.

Such a model cannot hold a penalty on gradients, and each of its updates is one call from Python. So a strategy made of
these models refuses penalties on gradients and fused steps (`SUPPORTS`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend.keras import keras2, keras3
from ganfreeze.strategy.base import Game, Judge
from ganfreeze.strategy.engine import phases
from ganfreeze.types import Model, Tensor, TensorMetrics

SUPPORTS = {"regularizer": ["none", "weight_clip"], "fused_steps": ["auto", 1]}
# Keras 3 does not compile a model by XLA if kernels have to be deterministic; it only warns.
NO_XLA = ({"jit": ["on"], "keras": ["keras3"], "deterministic": [True]},)
# A flag puts a frozen BatchNormalization into inference mode.
CONFLICTS = (*NO_XLA, {"update.judge": ["training"], "architecture.batch_norm": [True]})


class Trainer(ABC):
    """A Keras model with the loss and the optimizer of one phase.

    `compile()` may be called again after a flag has changed; `run(real, latent)` is the phase. The loss function writes
    the phase's metrics into variables. Compiled metrics would have to be reset before each batch and fetched after it.
    """

    def __init__(self, game: Game, optimizer: Any, names: Sequence[str]) -> None:
        """`names` are those of the metrics that `_loss` records."""
        self.networks, self.loss, self.optimizer = game.networks, game.loss, optimizer
        self.model, self._jit = self._build(game.keras), game.execution.jit
        self._recorded = {name: tf.Variable(0.0, trainable=False, dtype=tf.float64) for name in names}
        self._batches = {"keras": keras3, "tf_keras": keras2}[game.keras.__name__].BatchTrainer

    def compile(self) -> None:
        """Compile the model; Keras 2 reads the `trainable` flags now, Keras 3 when it traces the train function."""
        self.model.compile(optimizer=self.optimizer, loss=self._loss, jit_compile=self._jit)
        self._train = self._batches(self.model).train

    @abstractmethod
    def run(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        """Train on one batch and return the phase's metrics."""

    @abstractmethod
    def _build(self, keras: Any) -> Model: ...

    @abstractmethod
    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor: ...

    def _record(self, **metrics: Tensor) -> None:
        for name, value in metrics.items():
            self._recorded[name].assign(tf.cast(value, tf.float64))

    def _metrics(self) -> TensorMetrics:
        return {name: tf.identity(variable) for name, variable in self._recorded.items()}


class _Discriminator(Trainer):
    def __init__(self, game: Game, names: Sequence[str]) -> None:
        super().__init__(game, game.optimizers.discriminator, names)
        generator, training = game.networks.generator, game.update.fakes == "training"
        fakes = lambda latent: generator(latent, training=training)  # noqa: E731
        self._fakes = tf.function(fakes, autograph=False, jit_compile=self._jit)


class JointDiscriminator(_Discriminator):
    """[real, fakes] to logits (batch, 2): one update sees both."""

    def __init__(self, game: Game) -> None:
        super().__init__(game, ("discriminator_loss", "accuracy_real", "accuracy_fake"))

    def run(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        unused_labels = tf.zeros((len(real), 2))
        self._train([tf.convert_to_tensor(real), self._fakes(latent)], unused_labels)
        return self._metrics()

    def _build(self, keras: Any) -> Model:
        discriminator = self.networks.discriminator
        real, fakes = (keras.layers.Input(discriminator.input_shape[1:]) for _ in range(2))
        if self.networks.independent:  # one batch of both is faster, and changes nothing
            logits = _columns(keras)(discriminator(keras.layers.Concatenate(axis=0)([real, fakes])))
        else:
            logits = keras.layers.Concatenate()([discriminator(real), discriminator(fakes)])
        return keras.Model([real, fakes], logits, name="discriminator_trainer")

    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        real_logits, fake_logits = logits[:, :1], logits[:, 1:]
        loss = self.loss.discriminator(real_logits, fake_logits)
        self._record(
            discriminator_loss=loss,
            accuracy_real=phases.accuracy_real(self.loss, real_logits),
            accuracy_fake=phases.accuracy_fake(self.loss, fake_logits),
        )
        return loss


class SplitDiscriminator(_Discriminator):
    """Images to logits (batch, 1): an update on the real batch, labelled 1, then one on the fakes, labelled 0."""

    def __init__(self, game: Game) -> None:
        super().__init__(game, ("loss", "real", "fake"))

    def run(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        labels = tf.ones((len(real), 1))
        fakes = self._fakes(latent)
        self._train(tf.convert_to_tensor(real), labels)
        on_real = self._metrics()
        self._train(fakes, 0 * labels)
        on_fake = self._metrics()
        return {
            "discriminator_loss": on_real["loss"] + on_fake["loss"],
            "accuracy_real": on_real["real"],
            "accuracy_fake": on_fake["fake"],
        }

    def _build(self, keras: Any) -> Model:
        images = keras.layers.Input(self.networks.discriminator.input_shape[1:])
        return keras.Model(images, self.networks.discriminator(images), name="discriminator_trainer")

    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        side = labels[:1]  # all labels of a batch are equal, and a pack has only one logit
        loss = self.loss.discriminator(logits, logits, real_weights=side, fake_weights=1 - side)
        self._record(
            loss=loss,
            real=phases.accuracy_real(self.loss, logits),
            fake=phases.accuracy_fake(self.loss, logits),
        )
        return loss


class Combined(Trainer):
    """Latent vectors to the logits of their images, (batch, 1); with a coupled loss [real, latent] to (batch, 2).

    `judge` is the mode in which its discriminator judges.
    """

    def __init__(self, game: Game, *, flag: bool) -> None:
        """`flag` says whether the discriminator's flag is False while this model is trained."""
        self.judge: Judge = phases.judge(game, flag=flag)
        self._differs = self.judge != phases.habit(game, flag=flag)
        super().__init__(game, game.optimizers.generator, ("generator_loss",))

    def run(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        latent = tf.convert_to_tensor(latent)
        inputs, columns = ([tf.convert_to_tensor(real), latent], 2) if self.loss.couples else (latent, 1)
        unused_labels = tf.ones((len(latent), columns))
        self._train(inputs, unused_labels)
        return self._metrics()

    def _build(self, keras: Any) -> Model:
        generator, discriminator = self.networks.generator, self.networks.discriminator
        judge = _in_inference(keras, discriminator) if self._differs else discriminator
        latent = keras.layers.Input((self.networks.latent_dim,))
        if not self.loss.couples:
            return keras.Model(latent, judge(generator(latent)), name="combined")
        real = keras.layers.Input(discriminator.input_shape[1:])
        logits = keras.layers.Concatenate()([judge(real), judge(generator(latent))])
        return keras.Model([real, latent], logits, name="combined")

    def _loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        loss = self.loss.generator(logits[:, :1] if self.loss.couples else None, logits[:, -1:])
        self._record(generator_loss=loss)
        return loss


def _in_inference(keras: Any, discriminator: Model) -> Any:
    class InInference(keras.layers.Layer):
        """The discriminator in inference mode, also in a model that trains.

        It has to be a layer. A functional model of Keras 3 ignores `discriminator(fakes, training=False)` when it
        trains.
        """

        def __init__(self) -> None:
            super().__init__(name="in_inference")
            self.discriminator = discriminator

        def call(self, examples: Tensor) -> Tensor:
            return self.discriminator(examples, training=False)

        def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, int]:
            return shape[0], 1

    return InInference()


def _columns(keras: Any) -> Any:
    class Columns(keras.layers.Layer):
        """Logits of real examples above those of fakes, (2 batch, 1), to logits side by side, (batch, 2)."""

        def call(self, logits: Tensor) -> Tensor:
            return tf.concat(tf.split(logits, 2), axis=1)

        def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, int]:
            return None, 2

    return Columns()


def pair(game: Game, *, combined_trains_both: bool = False) -> tuple[Trainer, Combined]:
    """Return the trainers of the discriminator phase and of the generator phase, not yet compiled.

    The optimizers' slots are made here, before the first batch. If the combined model trains the discriminator too, its
    optimizer needs slots for it.
    """
    generator = game.networks.generator.trainable_variables
    discriminator = game.networks.discriminator.trainable_variables
    both = [*generator, *discriminator]
    game.optimizers.build(generator=both if combined_trains_both else generator, discriminator=discriminator)
    trainer = {"joint": JointDiscriminator, "split": SplitDiscriminator}[game.update.batches]
    return trainer(game), Combined(game, flag=not combined_trains_both)
