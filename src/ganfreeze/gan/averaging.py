"""Averages of the generator's weights over the steps of training: no average, or an exponential moving average."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Model, Variable


class Average(ABC):
    """An average of the generator's weights over the steps of training. Every strategy keeps it beside the weights.

    `generator` is a network with the averaged weights, or None. `variables` are all variables that `update` changes.
    """

    generator: Model | None = None
    variables: Sequence[Variable] = ()

    @abstractmethod
    def update(self) -> None:
        """Add the generator's present weights to the average. Called after each update of the generator."""


class NoAverage(Average):
    """No average of the weights."""

    def update(self) -> None:
        pass


class ExponentialAverage(Average):
    """An exponential moving average of the generator's weights.

    a <- d a + (1 - d) w, with d = min(decay, (1 + n) / (10 + n)) at update n = 0, 1, ...

    With the smaller d of early updates the untrained first weights soon lose their influence. TensorFlow's
    `ExponentialMovingAverage` has the same rule with `num_updates`. Variables that are not trained, the moving averages
    of BatchNormalization, are copied: they are averages already.

    Source: Yazici et al. 2019; Karras et al. 2018, appendix A.1.
    """

    def __init__(self, decay: float, *, of: Model, generator: Model) -> None:
        """Average the weights of the network `of` into `generator`.

        `generator` is another network of the same layers. All its variables are set to those of `of` now.
        """
        self.generator, self._decay = generator, decay
        self._updates = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.variables = [*generator.weights, self._updates]
        trained = {id(variable) for variable in of.trainable_variables}
        pairs = list(zip(generator.weights, of.weights, strict=True))
        self._weights = [pair for pair in pairs if id(pair[1]) in trained]
        self._state = [pair for pair in pairs if id(pair[1]) not in trained]
        for average, variable in pairs:
            average.assign(variable)
        self._update = tf.function(self._add, autograph=False)

    def update(self) -> None:
        self._update()

    def _add(self) -> None:
        updates = tf.cast(self._updates, tf.float64)
        decay = tf.minimum(tf.constant(self._decay, tf.float64), (1 + updates) / (10 + updates))
        for average, variable in self._weights:
            value = tf.convert_to_tensor(variable)
            average.assign_add(tf.cast(1 - decay, value.dtype) * (value - tf.convert_to_tensor(average)))
        for average, variable in self._state:
            average.assign(tf.convert_to_tensor(variable))
        self._updates.assign_add(1)
