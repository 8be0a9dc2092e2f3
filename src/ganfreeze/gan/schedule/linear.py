"""A learning rate that falls along a line."""

from dataclasses import dataclass
from typing import Any

from ganfreeze.gan.schedule.base import Schedule
from ganfreeze.types import Fraction


@dataclass(frozen=True, kw_only=True)
class Linear(Schedule):
    """A learning rate that falls along a line.

    rate(t) = rate * (1 - (1 - final) * t / T), where T is the number of iterations.

    - `final`: the last learning rate, as a fraction of the first.
    """

    final: Fraction = 0.0

    def build(self, *, keras: Any, rate: float, iterations: int) -> Any:
        return keras.optimizers.schedules.PolynomialDecay(rate, iterations, self.final * rate, power=1.0)
