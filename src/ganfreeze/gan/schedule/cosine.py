"""A learning rate that falls along half a cosine."""

from dataclasses import dataclass
from typing import Any

from ganfreeze.gan.schedule.base import Schedule
from ganfreeze.types import Fraction


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """A learning rate that falls along half a cosine.

    rate(t) = rate * (final + (1 - final) * (1 + cos(pi t / T)) / 2), where T is the number of iterations.

    - `final`: the last learning rate, as a fraction of the first.

    Source: Loshchilov & Hutter 2017, equation 5, without restarts.
    """

    final: Fraction = 0.0

    def build(self, *, keras: Any, rate: float, iterations: int) -> Any:
        return keras.optimizers.schedules.CosineDecay(rate, iterations, alpha=self.final)
