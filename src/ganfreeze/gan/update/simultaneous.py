"""The step of game theory: both networks at once."""

from dataclasses import dataclass

from ganfreeze.gan.update.base import Order, Update


@dataclass(frozen=True, kw_only=True)
class Simultaneous(Update):
    """Both networks take the gradient of their loss at the weights that the step began with.

    Source: Mescheder, Geiger, Nowozin 2018, section 2.1; it is one step of Euler's method on the gradient vector field.
    """

    order: Order = "simultaneous"
