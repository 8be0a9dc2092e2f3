"""Both phases under `tf.GradientTape`, with explicit variable lists, for strategies that compute their own gradients.

No flag is set: only the active network gets gradients. Unless `update.judge=inference`, both networks run in training
mode throughout. So a BatchNormalization in the frozen discriminator normalizes by the batch and continues to move its
averages: the weights are held, the state is not.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.inspection import has_random_layers
from ganfreeze.gan.regularizer.base import PhaseContext
from ganfreeze.strategy.base import Game, Judge
from ganfreeze.strategy.engine import phases
from ganfreeze.types import PhaseName, Tensor, TensorMetrics, Variable


class GeneratorPass(NamedTuple):
    """One pass of the generator in training mode, for both phases.

    It holds the fakes, the tape that recorded the pass, and the averages of BatchNormalization before the pass.
    """

    fakes: Tensor
    tape: Any
    averages: Sequence[Tensor]


class TapedPhases:
    """Both phases of a game: `train_discriminator(real, latent)` and `train_generator(real, latent)`.

    `judge` is the mode of the frozen discriminator in the generator phase.
    """

    def __init__(self, game: Game) -> None:
        self.judge: Judge = phases.judge(game, flag=False)
        self._game = game
        self._generator, self._discriminator = game.networks.generator, game.networks.discriminator
        self._weights = {
            "discriminator": list(self._discriminator.trainable_variables),
            "generator": list(self._generator.trainable_variables),
        }
        with game.devices.scope():
            game.optimizers.build(**self._weights)
        self._averages = list(_averages(game.keras, self._generator))

    @property
    def reuses_fakes(self) -> bool:
        """Whether one `generate` can replace the generator's passes in both phases.

        It can if the update reuses the fakes, and if the generator has no state but the averages of BatchNormalization.
        A second pass would change other state. It would also draw other numbers, if the generator has random layers.
        Several devices leave nothing behind between two phases.
        """
        if self._game.devices.count > 1:
            return False
        only_averages = len(self._averages) == len(self._generator.non_trainable_variables)
        return self._game.update.reuses_fakes and only_averages and not has_random_layers(self._generator)

    def generate(self, latent: Tensor) -> GeneratorPass:
        """Run the generator once, for both phases."""
        averages = [tf.identity(tf.convert_to_tensor(variable)) for variable, _ in self._averages]
        with self._tape("generator") as tape:
            fakes = self._generator(latent, training=True)
        return GeneratorPass(fakes, tape, averages)

    def train_discriminator(self, real: Tensor, latent: Tensor, *shared: GeneratorPass) -> TensorMetrics:
        """Update the discriminator on real examples and fakes, in one update or in two. Return its metrics."""
        return self._game.devices.run(self._train_discriminator, real, latent, *shared)

    def train_generator(self, real: Tensor, latent: Tensor, *shared: GeneratorPass) -> TensorMetrics:
        """Update the generator. Return its metric."""
        return self._game.devices.run(self._train_generator, real, latent, *shared)

    def _train_discriminator(self, real: Tensor, latent: Tensor, shared: GeneratorPass | None = None) -> TensorMetrics:
        training = self._game.update.fakes == "training"
        fakes = shared.fakes if shared else self._generator(latent, training=training)
        train = {"joint": self._train_jointly, "split": self._train_split}[self._game.update.batches]
        loss, real_logits, fake_logits = train(self._context(real, latent, fakes))
        return {
            "discriminator_loss": loss,
            "accuracy_real": phases.accuracy_real(self._game.loss, real_logits),
            "accuracy_fake": phases.accuracy_fake(self._game.loss, fake_logits),
        }

    def _train_generator(self, real: Tensor, latent: Tensor, shared: GeneratorPass | None = None) -> TensorMetrics:
        game, discriminator, training = self._game, self._discriminator, self.judge == "training"
        fakes, tape, averages = shared or self.generate(latent)
        if shared:
            self._average_again(averages)
        with tape:
            real_logits = discriminator(real, training=training) if game.loss.couples else None
            loss = game.loss.generator(real_logits, discriminator(fakes, training=training))
            loss += self._penalty("generator", self._context(real, latent, fakes), loss.dtype)
        self._descend("generator", tape, loss)
        return {"generator_loss": loss}

    def _train_jointly(self, context: PhaseContext) -> tuple[Tensor, Tensor, Tensor]:
        with self._tape("discriminator") as tape:
            real_logits, fake_logits = self._judge_both(context.real, context.fakes)
            loss = context.loss.discriminator(real_logits, fake_logits)
            loss += self._penalty("discriminator", context, loss.dtype)
        self._descend("discriminator", tape, loss)
        return loss, real_logits, fake_logits

    def _judge_both(self, real: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of real examples and fakes: in one batch, which is faster, if that changes nothing."""
        if self._game.networks.independent:
            return tuple(tf.split(self._discriminator(tf.concat([real, fakes], 0), training=True), 2))
        return self._discriminator(real, training=True), self._discriminator(fakes, training=True)

    def _train_split(self, context: PhaseContext) -> tuple[Tensor, Tensor, Tensor]:
        with self._tape("discriminator") as tape:
            real_logits = self._discriminator(context.real, training=True)
            real_loss = context.loss.discriminator(real_logits, real_logits, fake_weights=0.0)
        self._descend("discriminator", tape, real_loss)
        with self._tape("discriminator") as tape:
            fake_logits = self._discriminator(context.fakes, training=True)
            fake_loss = context.loss.discriminator(fake_logits, fake_logits, real_weights=0.0)
        self._descend("discriminator", tape, fake_loss)
        return real_loss + fake_loss, real_logits, fake_logits

    def _tape(self, phase: PhaseName) -> Any:
        """Return a tape that watches the active weights only: eagerly too, the frozen ones get no gradients at all."""
        tape = tf.GradientTape(watch_accessed_variables=False)
        with tape:
            for variable in self._weights[phase]:
                # A variable of Keras 3 holds one of TensorFlow.
                tape.watch(variable if isinstance(variable, tf.Variable) else variable.value)
        return tape

    def _context(self, real: Tensor, latent: Tensor, fakes: Tensor) -> PhaseContext:
        return PhaseContext(self._game.networks, self._game.loss, real, latent, fakes)

    def _penalty(self, phase: PhaseName, context: PhaseContext, dtype: Any) -> Tensor:
        """Return the penalty in the loss's dtype: some losses of TF-GAN are float32 whatever the logits are."""
        return tf.cast(self._game.regularizer.penalty(phase, context), dtype)

    def _descend(self, phase: PhaseName, tape: Any, loss: Tensor) -> None:
        weights, optimizers, devices = self._weights[phase], self._game.optimizers, self._game.devices
        with tape:
            scaled = optimizers.scaled(phase, devices.share(loss))
        optimizers.apply(phase, tape.gradient(scaled, weights), weights)

    def _average_again(self, before: Sequence[Tensor]) -> None:
        """Move the averages as a second pass over the same batch would.

        With momentum m, a pass makes a' = a + (1 - m) (b - a) of an average a, where b is the batch's own value. A
        second pass over the same batch makes a'' = a' + m (a' - a), which needs no b.
        """
        for (variable, momentum), was in zip(self._averages, before, strict=True):
            now = tf.convert_to_tensor(variable)
            variable.assign_add(momentum * (now - was))


def _averages(keras: Any, model: Any) -> Iterator[tuple[Variable, float]]:
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            yield from ((variable, layer.momentum) for variable in (layer.moving_mean, layer.moving_variance))
