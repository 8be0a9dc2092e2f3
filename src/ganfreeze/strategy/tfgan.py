"""TF-GAN's `gan_train_ops`: explicit variable lists, in a TensorFlow 1 graph over the networks' own variables."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, ClassVar

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.gan.regularizer.base import PhaseContext
from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine import phases
from ganfreeze.strategy.engine.fused import Fused
from ganfreeze.types import Choices, Tensor, TensorMetrics, Variable

BOTH = ("real", "fake")


class Tfgan(Fused):
    """A hand-made GANModel, `gan_loss` and `gan_train_ops`, in one graph for each update.

    `wrap_function` makes a graph as in TensorFlow 1. It runs only what its outputs need, in no fixed order. It captures
    the variables of the Keras networks and optimizers, so there is no session, and nothing is copied.

    Each network is called as one function that is never inlined. So the averages of its BatchNormalization move
    whenever its output is used. As plain operations these moves would have to be in the collection UPDATE_OPS, which
    TF-GAN runs, but no Keras puts them there.

    When functions run eagerly, only their operations come into this graph, and nothing makes it run the moves. So
    `supports` excludes eager=true.
    """

    supports: ClassVar[Choices] = {"eager": [False], "jit": ["auto", "off"]}

    def __init__(self, game: Game) -> None:
        self._game, networks = game, game.networks
        self.judge = phases.judge(game, flag=False)
        weights = {name: list(getattr(networks, name).trainable_variables) for name in ("generator", "discriminator")}
        game.optimizers.build(**weights)
        self._generator, self._discriminator = _whole(networks.generator), _whole(networks.discriminator)
        self._optimizers = {name: _Optimizer(getattr(game.optimizers, name), weights[name]) for name in weights}
        updates = {"joint": [BOTH], "split": [("real",), ("fake",)]}[game.update.batches]
        graphs = [
            self._graph(lambda real, latent, sides=sides: self._train_discriminator(real, latent, sides))
            for sides in updates
        ]

        def train_discriminator(*batch: Tensor) -> TensorMetrics:
            return _sum([graph(*batch) for graph in graphs])

        super().__init__(game, discriminator=train_discriminator, generator=self._graph(self._train_generator))

    def _train_discriminator(self, real: Tensor, latent: Tensor, sides: Collection[str]) -> TensorMetrics:
        training, both = self._game.update.fakes == "training", sides == BOTH
        model = self._model(real, latent, training, in_order=both, together=both and self._game.networks.independent)
        logits = {"real": model.discriminator_real_outputs, "fake": model.discriminator_gen_outputs}
        accuracy = {"real": phases.accuracy_real, "fake": phases.accuracy_fake}
        return {
            "discriminator_loss": self._train_ops(model, sides).discriminator_train_op,
            **{f"accuracy_{side}": accuracy[side](self._game.loss, logits[side]) for side in sides},
        }

    def _train_generator(self, real: Tensor, latent: Tensor) -> TensorMetrics:
        judge = self.judge == "training"
        model = self._model(real, latent, True, judge=judge, in_order=self._game.loss.couples)
        return {"generator_loss": self._train_ops(model, BOTH).generator_train_op}

    def _model(
        self,
        real: Tensor,
        latent: Tensor,
        training: bool,
        *,
        judge: bool = True,
        in_order: bool,
        together: bool = False,
    ) -> Any:
        """Return the networks' calls as a GANModel.

        `training` says whether the generator runs in training mode, and `judge` whether the discriminator does. With
        `in_order` the discriminator judges real examples before fakes; with `together`, both in one batch.
        """
        fakes = self._generator(latent, training=training)
        if together:
            real_logits, fake_logits = tf.split(self._discriminator(tf.concat([real, fakes], 0), training=judge), 2)
        else:
            real_logits = self._discriminator(real, training=judge)
            with tf.control_dependencies([real_logits] if in_order else []):
                fake_logits = self._discriminator(fakes, training=judge)
        scope = tf.compat.v1.get_variable_scope()
        generator, discriminator = (self._optimizers[name].handles for name in ("generator", "discriminator"))
        return tfgan.GANModel(
            latent, fakes, generator, scope, None, real, real_logits, fake_logits, discriminator, scope, None
        )

    def _train_ops(self, model: Any, sides: Collection[str]) -> Any:
        """Return the GANTrainOps; that of the discriminator is for these sides of its loss."""
        loss, regularizer = self._game.loss, self._game.regularizer
        real_logits, fake_logits = model.discriminator_real_outputs, model.discriminator_gen_outputs
        context = PhaseContext(self._game.networks, loss, model.real_data, model.generator_inputs, model.generated_data)

        @_whole
        def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
            if sides != BOTH:
                return _single(loss.discriminator(real_logits, fake_logits, *(float(side in sides) for side in BOTH)))
            penalty = regularizer.penalty("discriminator", context)
            return _single(loss.discriminator(real_logits, fake_logits)) + _single(penalty)

        @_whole
        def generator_loss(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
            own_loss = _single(loss.generator(real_logits, fake_logits))
            return own_loss + _single(regularizer.penalty("generator", context))

        judged = real_logits if "real" in sides else fake_logits, fake_logits if "fake" in sides else real_logits
        return tfgan.train_ops(
            model,
            generator_loss=lambda model: generator_loss(real_logits if loss.couples else None, fake_logits),
            discriminator_loss=lambda model: discriminator_loss(*judged),
            generator_optimizer=self._optimizers["generator"],
            discriminator_optimizer=self._optimizers["discriminator"],
        )

    def _graph(self, build: Callable[..., TensorMetrics]) -> Callable[..., TensorMetrics]:
        inputs = [*self._game.networks.discriminator.inputs, *self._game.networks.generator.inputs]
        graph = tf.compat.v1.wrap_function(build, [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in inputs])
        return _whole(lambda *batch: graph(*batch))


class _Optimizer:
    """A built Keras optimizer with the interface of TensorFlow 1 that TF-GAN calls.

    TF-GAN gets the handles of the variables in place of the variables.
    """

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
    """Return a `tf.function` that is never inlined: an operation that waits for it waits for its side effects too."""
    return tf.function(call, autograph=False, experimental_attributes={"_noinline": True})


def _single(loss: Tensor) -> Tensor:
    """Return the loss in float32, as TF-GAN's own regularization loss is. Gradients keep the networks' precision."""
    return tf.cast(loss, tf.float32)


def _sum(metrics_of_updates: Sequence[TensorMetrics]) -> TensorMetrics:
    """Return the sum of each metric over the updates that gave it."""
    total: dict[str, Tensor] = {}
    for metrics in metrics_of_updates:
        total |= {name: total[name] + value if name in total else value for name, value in metrics.items()}
    return total
