"""Steps that go wrong are left out, and the others are as if they had not been taken."""

import math

import pytest

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import Diverged
from ganfreeze.strategy.base import Strategy
from ganfreeze.strategy.engine.skipping import SkippingStrategy


class Adding(Strategy):
    """A strategy that adds the number of each step to a variable. In some steps the loss or the variable goes wrong."""

    phases, judge = {}, "training"

    def __init__(self, bad_losses=(), bad_variables=()):
        self.variable, self.bad_losses, self.bad_variables = tf.Variable(0.0), bad_losses, bad_variables

    def advance(self, streams, step, steps):
        for number in range(step, step + steps):
            self.variable.assign_add(math.inf if number in self.bad_variables else number)
        wrong = any(number in self.bad_losses for number in range(step, step + steps))
        return {"loss": math.nan if wrong else float(step)}


def skipping(**bad):
    strategy = Adding(**bad)
    return strategy, SkippingStrategy(strategy, [strategy.variable, tf.Variable(1)])


def test_steps_that_are_right_run_together():
    strategy, skipped = skipping()
    assert skipped.advance(None, 3, 4) == {"loss": 3.0, "skipped_steps": 0.0}
    assert float(strategy.variable) == 3 + 4 + 5 + 6


@pytest.mark.parametrize("bad", [{"bad_losses": {4}}, {"bad_variables": {4}}])
def test_a_step_that_goes_wrong_is_left_out(bad):
    strategy, skipped = skipping(**bad)
    assert skipped.advance(None, 3, 4) == {"loss": (3 + 5 + 6) / 3, "skipped_steps": 1.0}
    assert float(strategy.variable) == 3 + 5 + 6


def test_where_every_step_goes_wrong_the_run_ends():
    strategy, skipped = skipping(bad_losses={3, 4})
    with pytest.raises(Diverged, match="every step from 4 to 5 gives NaN or infinity") as raised:
        skipped.advance(None, 3, 2)
    assert raised.value.steps == (4, 5)
    assert float(strategy.variable) == 0, "the state is that before the steps"
