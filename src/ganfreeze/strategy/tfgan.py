"""TF-GAN's `gan_train_ops`: explicit variable lists, in a TensorFlow 1 graph over the networks' own variables."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.gan.regularizer.base import PhaseContext
from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import phases
from ganfreeze.strategy.engine.fused import Fused
from ganfreeze.types import Choices, Tensor, Variable

Scalars = Mapping[str, Tensor]
BOTH = ("real", "fake")


class Tfgan(Fused):
    """A GANModel put together by hand, `gan_loss` and `gan_train_ops`, in one graph for each update.

    `wrap_function` makes a graph as TensorFlow 1 knew it: it runs what its outputs need and nothing else, in no order
    of its own. It captures the variables of the Keras networks and optimizers, so there is no session and nothing to
    copy. The networks are called as functions, whole: a BatchNormalization's averages move wherever the output is used.
    As plain operations the moves would have to be in the UPDATE_OPS that TF-GAN runs, and no Keras puts them there.

    Functions run eagerly dissolve in such a graph, which then has no cause to move anything: hence the limit.
    """

    limits: ClassVar[Choices] = {"eager": [False], "jit": ["auto", "off"]}

    def __init__(self, game: Game) -> None:
        self._game, networks = game, game.networks
        weights = {name: list(getattr(networks, name).trainable_variables) for name in ("generator", "discriminator")}
        game.optimizers.build(**weights)
        self._generator, self._discriminator = _whole(networks.generator), _whole(networks.discriminator)
        self._optimizers = {name: _Optimizer(getattr(game.optimizers, name), weights[name]) for name in weights}
        updates = {"joint": [BOTH], "split": [("real",), ("fake",)]}[game.update.batches]
        graphs = [self._graph(lambda real, latent, sides=sides: self._learn(real, latent, sides)) for sides in updates]
        learn = lambda *batch: _sum([graph(*batch) for graph in graphs])  # noqa: E731
        super().__init__(game, learn=learn, fool=self._graph(self._fool))

    def _learn(self, real: Tensor, latent: Tensor, sides: Collection[str]) -> Scalars:
        training, both = self._game.update.fakes == "training", sides == BOTH
        model = self._model(real, latent, training, in_order=both, together=both and self._game.networks.independent)
        logits = {"real": model.discriminator_real_outputs, "fake": model.discriminator_gen_outputs}
        accuracy = {"real": phases.accuracy_real, "fake": phases.accuracy_fake}
        return {
            "discriminator_loss": self._train_ops(model, sides).discriminator_train_op,
            **{f"accuracy_{side}": accuracy[side](self._game.loss, logits[side]) for side in sides},
        }

    def _fool(self, real: Tensor, latent: Tensor) -> Scalars:
        model = self._model(real, latent, training=True, in_order=self._game.loss.couples)
        return {"generator_loss": self._train_ops(model, BOTH).generator_train_op}

    def _model(self, real: Tensor, latent: Tensor, training: bool, *, in_order: bool, together: bool = False) -> Any:
        """The networks' calls as a GANModel, D(real) before D(fakes) where both are wanted, or both in one batch."""
        fakes = self._generator(latent, training=training)
        if together:
            real_logits, fake_logits = tf.split(self._discriminator(tf.concat([real, fakes], 0), training=True), 2)
        else:
            real_logits = self._discriminator(real, training=True)
            with tf.control_dependencies([real_logits] if in_order else []):
                fake_logits = self._discriminator(fakes, training=True)
        scope = tf.compat.v1.get_variable_scope()
        generator, discriminator = (self._optimizers[name].handles for name in ("generator", "discriminator"))
        return tfgan.GANModel(
            latent, fakes, generator, scope, None, real, real_logits, fake_logits, discriminator, scope, None
        )

    def _train_ops(self, model: Any, sides: Collection[str]) -> Any:
        """The GANTrainOps; the discriminator's is for these sides of its loss."""
        loss, regularizer = self._game.loss, self._game.regularizer
        real_logits, fake_logits = model.discriminator_real_outputs, model.discriminator_gen_outputs
        play = PhaseContext(self._game.networks, loss, model.real_data, model.generator_inputs, model.generated_data)

        @_whole
        def learn(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
            if sides != BOTH:
                return _single(loss.discriminator(real_logits, fake_logits, *(float(side in sides) for side in BOTH)))
            penalty = regularizer.penalty("discriminator", play)
            return _single(loss.discriminator(real_logits, fake_logits)) + _single(penalty)

        @_whole
        def fool(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
            return _single(loss.generator(real_logits, fake_logits)) + _single(regularizer.penalty("generator", play))

        judged = real_logits if "real" in sides else fake_logits, fake_logits if "fake" in sides else real_logits
        return tfgan.train_ops(
            model,
            generator_loss=lambda model: fool(real_logits if loss.couples else None, fake_logits),
            discriminator_loss=lambda model: learn(*judged),
            generator_optimizer=self._optimizers["generator"],
            discriminator_optimizer=self._optimizers["discriminator"],
        )

    def _graph(self, build: Callable[..., Scalars]) -> Callable[..., Scalars]:
        inputs = [*self._game.networks.discriminator.inputs, *self._game.networks.generator.inputs]
        graph = tf.compat.v1.wrap_function(build, [tf.TensorSpec(each.shape, each.dtype) for each in inputs])
        return _whole(lambda *batch: graph(*batch))


class _Optimizer:
    """A Keras optimizer, built, as TF-GAN calls one of TensorFlow 1; variables go by their handles."""

    def __init__(self, optimizer: Any, variables: Sequence[Variable]) -> None:
        self._optimizer, self._variables = optimizer, variables
        self.handles = [variable.handle for variable in variables]

    def compute_gradients(self, loss: Tensor, handles: Sequence[Any], **_: Any) -> list[tuple[Tensor, Any]]:
        return list(zip(tf.gradients(loss, handles), handles, strict=True))

    def apply_gradients(self, gradients_and_handles: Iterable[tuple[Tensor, Any]], global_step: None) -> Tensor:
        @_whole
        def apply(*gradients: Tensor) -> Tensor:
            self._optimizer.apply_gradients(zip(gradients, self._variables, strict=True))
            return tf.convert_to_tensor(self._optimizer.iterations)

        return apply(*(gradient for gradient, _ in gradients_and_handles))


def _whole(call: Callable[..., Tensor]) -> Any:
    """A `tf.function` that is never inlined: what waits for it waits for its side effects too."""
    return tf.function(call, autograph=False, experimental_attributes={"_noinline": True})


def _single(loss: Tensor) -> Tensor:
    """In single precision, as is the regularization loss that TF-GAN adds; gradients keep that of the networks."""
    return tf.cast(loss, tf.float32)


def _sum(scalars: Sequence[Scalars]) -> Scalars:
    """Of each scalar, its sum over the updates that gave it."""
    total: dict[str, Tensor] = {}
    for each in scalars:
        total |= {name: total[name] + value if name in total else value for name, value in each.items()}
    return total
