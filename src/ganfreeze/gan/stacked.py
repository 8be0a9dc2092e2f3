"""Networks of the same layers, with weights of their own, as one network with a leading seed axis."""

from collections.abc import Callable, Sequence
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.loss.base import Loss
from ganfreeze.gan.networks import Networks
from ganfreeze.types import Model, Tensor


class StackedModel:
    """k models of Keras 3 that have the same layers, as one: a batch (k, batch, ...) gives (k, batch, ...).

    Each variable is one of TensorFlow that holds those of all models, (k, ...), in the order of a model's own. Row i of
    a batch meets the weights of model i alone, and moves the averages of model i alone. It has no layers to look into.
    """

    layers: Sequence[Any] = ()

    def __init__(self, models: Sequence[Model]) -> None:
        """Begin with the values that the models have now."""
        model = self._model = models[0]
        stacks = {
            id(each[0]): tf.Variable(tf.stack([tf.convert_to_tensor(variable) for variable in each]), name=each[0].name)
            for each in zip(*(model.variables for model in models), strict=True)
        }
        self.variables = self.weights = [stacks[id(variable)] for variable in model.variables]
        self.trainable_variables = [stacks[id(variable)] for variable in model.trainable_variables]
        self.non_trainable_variables = [stacks[id(variable)] for variable in model.non_trainable_variables]

    def __call__(self, batch: Tensor, *, training: bool) -> Tensor:
        def one(inputs: tuple[Sequence[Tensor], Sequence[Tensor], Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
            trainable, state, examples = inputs
            return self._model.stateless_call(trainable, state, examples, training=training)

        trainable, state = (
            list(map(tf.convert_to_tensor, variables))
            for variables in (self.trainable_variables, self.non_trainable_variables)
        )
        outputs, state = tf.vectorized_map(one, (trainable, state, batch))
        for variable, value in zip(self.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return outputs

    def _flatten_layers(self, **_: Any) -> Sequence[Any]:
        return self.layers


class StackedLoss(Loss):
    """A loss of logits (k, batch, 1): k losses, (k,). Each is that of its own row."""

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self.couples, self.boundary = loss.couples, loss.boundary  # pyright: ignore[reportAttributeAccessIssue]

    def discriminator(
        self, real_logits: Tensor, fake_logits: Tensor, real_weights: Tensor = 1.0, fake_weights: Tensor = 1.0
    ) -> Tensor:
        def loss(logits: Sequence[Tensor]) -> Tensor:
            return self._loss.discriminator(logits[0], logits[1], real_weights, fake_weights)

        return _by_row(loss, real_logits, fake_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        if real_logits is None:
            return _by_row(lambda logits: self._loss.generator(None, logits[0]), fake_logits)
        return _by_row(lambda logits: self._loss.generator(logits[0], logits[1]), real_logits, fake_logits)


def stacked(networks: Sequence[Networks]) -> Networks:
    """Return pairs of networks of the same layers as one pair, with a leading seed axis."""
    return Networks(
        StackedModel([each.generator for each in networks]),
        StackedModel([each.discriminator for each in networks]),
        networks[0].latent_dim,
    )


def _by_row(function: Callable[[Sequence[Tensor]], Tensor], *tensors: Tensor) -> Tensor:
    rows = zip(*(tf.unstack(tensor) for tensor in tensors), strict=True)
    return tf.stack([function(row) for row in rows])
