"""Averages of the generator's weights over the steps of training: none, or an exponential one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Model, Variable


class Average(ABC):
    """An average of the generator's weights over the steps of training, kept beside them whatever trains them.

    `generator` is a network with the averaged weights, or None; `variables` is all that changes with `update`.
    """

    generator: Model | None = None
    variables: Sequence[Variable] = ()

    @abstractmethod
    def update(self) -> None:
        """Take in the weights as they are now, after a generator phase."""


class NoAverage(Average):
    """No average is kept."""

    def update(self) -> None:
        pass


class ExponentialAverage(Average):
    """a <- d a + (1 - d) w, with d = min(decay, (1 + n) / (10 + n)) at update n = 0, 1, ...

    So the first weights, which nothing has trained, are forgotten early: it is the rule of TensorFlow's
    `ExponentialMovingAverage` with its `num_updates`. What is no weight, a BatchNormalization's averages, is copied,
    for it is an average already.

    Source: Yazici et al. 2019; Karras et al. 2018, appendix A.1.
    """

    def __init__(self, decay: float, *, of: Model, generator: Model) -> None:
        """Average the network `of` into `generator`, another of the same layers, which becomes equal to it now."""
        self.generator, self._decay = generator, decay
        self._updates = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.variables = [*generator.weights, self._updates]
        trained = {id(variable) for variable in of.trainable_variables}
        pairs = list(zip(generator.weights, of.weights, strict=True))
        self._weights = [pair for pair in pairs if id(pair[1]) in trained]
        self._state = [pair for pair in pairs if id(pair[1]) not in trained]
        for average, variable in pairs:
            average.assign(variable)
        self._take_in = tf.function(self._follow, autograph=False)

    def update(self) -> None:
        self._take_in()

    def _follow(self) -> None:
        updates = tf.cast(self._updates, tf.float64)
        keep = tf.minimum(tf.constant(self._decay, tf.float64), (1 + updates) / (10 + updates))
        for average, variable in self._weights:
            value = tf.convert_to_tensor(variable)
            average.assign_add(tf.cast(1 - keep, value.dtype) * (value - tf.convert_to_tensor(average)))
        for average, variable in self._state:
            average.assign(tf.convert_to_tensor(variable))
        self._updates.assign_add(1)
