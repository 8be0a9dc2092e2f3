"""Optimism: an optimizer that takes twice its step, minus its previous step."""

from collections.abc import Sequence
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor, Variable

PREVIOUS_STEP = "previous_step"  # part of the names of the slots that hold the last steps


def make_optimistic(optimizer: Any) -> None:
    """Make a Keras optimizer optimistic: w <- w + 2 s_t - s_{t-1}, where s_t is its own step, and s_0 = 0.

    The optimizer must not be built yet. It keeps s_{t-1} in one more slot for each weight. What moves weights outside
    the step, such as the decay of AdamW, is not part of s_t.

    Source: Daskalakis et al. 2018, algorithm 1.
    """
    previous: dict[str, Variable] = {}  # by Keras' own key: one for all copies of a variable on several devices

    class Optimistic(type(optimizer)):
        def build(self, variables: Sequence[Variable]) -> None:
            super().build(variables)
            for variable in variables:
                if self._var_key(variable) not in previous:
                    previous[self._var_key(variable)] = self.add_variable_from_reference(variable, PREVIOUS_STEP)

        def update_step(self, gradient: Tensor, variable: Variable, *rate: Tensor) -> None:
            before = tf.identity(tf.convert_to_tensor(variable))
            super().update_step(gradient, variable, *rate)
            step, last = tf.convert_to_tensor(variable) - before, previous[self._var_key(variable)]
            variable.assign_add(step - tf.convert_to_tensor(last))
            last.assign(step)

    # Keras has no hook between a gradient and its step, and a copy made from the config would lose a negative momentum.
    optimizer.__class__ = Optimistic
