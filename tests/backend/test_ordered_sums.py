"""The sum of a tensor's gradients does not depend on which of them TensorFlow may overwrite."""

import pytest

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend.ordered_sums import sum_gradients_in_order

TERMS = (1e8, -1e8, 1.0)  # in single precision (a + b) + c is 1, and (c + b) + a is 0


def with_slope(x, slope):
    """Return zeros like x whose gradient is the slope."""
    return tf.custom_gradient(lambda x: (tf.zeros_like(x), lambda _: slope))(x)


def used_three_times(x, variables, computed):
    """Return the sum of three functions of x, whose slopes are the variables; x is 0.

    A variable's value cannot be overwritten, but that which is computed from it can.
    """
    slopes = [variable + x if place == computed else variable.read_value() for place, variable in enumerate(variables)]
    return sum(with_slope(x, slope) for slope in slopes)


def gradient_of_tape(x, variables, computed):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        y = used_three_times(x, variables, computed)
    return tape.gradient(y, x)


def gradient_of_graph(x, variables, computed):
    return tf.gradients(used_three_times(x, variables, computed), x)[0]


@pytest.mark.parametrize("gradient", [gradient_of_tape, gradient_of_graph])
def test_the_order_is_one_whatever_may_be_overwritten(gradient):
    sum_gradients_in_order()
    x, *variables = tf.zeros([1000]), *(tf.Variable(tf.fill([1000], term)) for term in TERMS)
    sums = []
    for computed in range(3):
        call = tf.function(lambda x, computed=computed: gradient(x, variables, computed), autograph=False)
        sums.append(set(call(x).numpy()))
    assert sums[0] in ({0.0}, {1.0})
    assert sums[1] == sums[2] == sums[0]
