"""The step of game theory: both networks at once."""

from dataclasses import dataclass

from ganfreeze.gan.update.base import Order, Update


@dataclass(frozen=True, kw_only=True)
class Simultaneous(Update):
    """Both networks are updated at once, by their gradients at the weights before the step.

    This is one step of Euler's method on the gradient vector field.

    Source: Mescheder, Geiger, Nowozin 2018, section 2.1.
    """

    order: Order = "simultaneous"
