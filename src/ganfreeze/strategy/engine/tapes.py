"""Both phases under `tf.GradientTape`, with explicit variable lists: nothing is frozen, only the active network is
handed gradients. What every strategy that differentiates by itself is made of.

Both networks run in training mode throughout. A BatchNormalization in the frozen network therefore normalises by the
batch and goes on moving its averages: the weights are held, the state is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.regularizer.base import PhaseContext
from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import phases
from ganfreeze.types import PhaseName, Tensor, Variable


class GeneratorPass(NamedTuple):
    """One pass of the generator in training mode, which both phases look at: its fakes, the tape that it is on, and
    what BatchNormalization's averages were before."""

    fakes: Tensor
    tape: Any
    averages: Sequence[Tensor]


class TapedPhases:
    """The phases of a game: `learn(real, latent)` is the discriminator's, `fool(real, latent)` the generator's."""

    def __init__(self, game: Game) -> None:
        self._game = game
        self._generator, self._discriminator = game.networks.generator, game.networks.discriminator
        self._weights = {
            "discriminator": list(self._discriminator.trainable_variables),
            "generator": list(self._generator.trainable_variables),
        }
        game.optimizers.build(**self._weights)
        self._averages = list(_averages(game.keras, self._generator))

    @property
    def reuses_fakes(self) -> bool:
        """Whether `generate` can take the place of both phases' passes: the update reuses the fakes, and the generator
        keeps nothing from a pass that a second one would change but the averages of BatchNormalization."""
        return self._game.update.reuses_fakes and len(self._averages) == len(self._generator.non_trainable_variables)

    def generate(self, latent: Tensor) -> GeneratorPass:
        """Run the generator, for both phases to be given the result."""
        averages = [tf.identity(tf.convert_to_tensor(variable)) for variable, _ in self._averages]
        with self._tape("generator") as tape:
            fakes = self._generator(latent, training=True)
        return GeneratorPass(fakes, tape, averages)

    def learn(self, real: Tensor, latent: Tensor, shared: GeneratorPass | None = None) -> Mapping[str, Tensor]:
        """Update the discriminator on real examples and fakes, at once or one after the other."""
        training = self._game.update.fakes == "training"
        fakes = shared.fakes if shared else self._generator(latent, training=training)
        each = {"joint": self._learn_jointly, "split": self._learn_split}[self._game.update.batches]
        loss, real_logits, fake_logits = each(self._play(real, latent, fakes))
        return {
            "discriminator_loss": loss,
            "accuracy_real": phases.accuracy_real(self._game.loss, real_logits),
            "accuracy_fake": phases.accuracy_fake(self._game.loss, fake_logits),
        }

    def fool(self, real: Tensor, latent: Tensor, shared: GeneratorPass | None = None) -> Mapping[str, Tensor]:
        """Update the generator."""
        game, discriminator = self._game, self._discriminator
        fakes, tape, averages = shared or self.generate(latent)
        if shared:
            self._average_again(averages)
        with tape:
            real_logits = discriminator(real, training=True) if game.loss.couples else None
            loss = game.loss.generator(real_logits, discriminator(fakes, training=True))
            loss += self._penalty("generator", self._play(real, latent, fakes), loss.dtype)
        self._descend("generator", tape, loss)
        return {"generator_loss": loss}

    def _learn_jointly(self, play: PhaseContext) -> tuple[Tensor, Tensor, Tensor]:
        with self._tape("discriminator") as tape:
            real_logits, fake_logits = self._judge_both(play.real, play.fakes)
            loss = play.loss.discriminator(real_logits, fake_logits)
            loss += self._penalty("discriminator", play, loss.dtype)
        self._descend("discriminator", tape, loss)
        return loss, real_logits, fake_logits

    def _judge_both(self, real: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
        """In one batch, which is faster, where that makes no difference."""
        if self._game.networks.independent:
            return tuple(tf.split(self._discriminator(tf.concat([real, fakes], 0), training=True), 2))
        return self._discriminator(real, training=True), self._discriminator(fakes, training=True)

    def _learn_split(self, play: PhaseContext) -> tuple[Tensor, Tensor, Tensor]:
        with self._tape("discriminator") as tape:
            real_logits = self._discriminator(play.real, training=True)
            real_loss = play.loss.discriminator(real_logits, real_logits, fake_weights=0.0)
        self._descend("discriminator", tape, real_loss)
        with self._tape("discriminator") as tape:
            fake_logits = self._discriminator(play.fakes, training=True)
            fake_loss = play.loss.discriminator(fake_logits, fake_logits, real_weights=0.0)
        self._descend("discriminator", tape, fake_loss)
        return real_loss + fake_loss, real_logits, fake_logits

    def _tape(self, phase: PhaseName) -> Any:
        """A tape that follows the active weights only: gradients of the frozen ones are not even computed eagerly."""
        tape = tf.GradientTape(watch_accessed_variables=False)
        with tape:
            for variable in self._weights[phase]:
                tape.watch(variable if isinstance(variable, tf.Variable) else variable.value)  # Keras 3's holds one
        return tape

    def _play(self, real: Tensor, latent: Tensor, fakes: Tensor) -> PhaseContext:
        return PhaseContext(self._game.networks, self._game.loss, real, latent, fakes)

    def _penalty(self, phase: PhaseName, play: PhaseContext, dtype: Any) -> Tensor:
        """Of the loss's type: some of TF-GAN's losses are in single precision whatever the logits are."""
        return tf.cast(self._game.regularizer.penalty(phase, play), dtype)

    def _descend(self, phase: PhaseName, tape: Any, loss: Tensor) -> None:
        weights, optimizers = self._weights[phase], self._game.optimizers
        with tape:
            scaled = optimizers.scaled(phase, loss)
        optimizers.apply(phase, tape.gradient(scaled, weights), weights)

    def _average_again(self, before: Sequence[Tensor]) -> None:
        """Move the averages as a second pass over the same batch would: a' = a + (1 - m) (b - a) makes a'' of
        a' + m (a' - a), without b, the batch's own."""
        for (variable, momentum), was in zip(self._averages, before, strict=True):
            now = tf.convert_to_tensor(variable)
            variable.assign_add(momentum * (now - was))


def _averages(keras: Any, model: Any) -> Iterator[tuple[Variable, float]]:
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            yield from ((variable, layer.momentum) for variable in (layer.moving_mean, layer.moving_variance))
