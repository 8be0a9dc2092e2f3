"""A constant learning rate."""

from dataclasses import dataclass
from typing import Any

from ganfreeze.gan.schedule.base import Schedule


@dataclass(frozen=True)
class Constant(Schedule):
    """A constant learning rate: rate(t) = rate."""

    def build(self, *, keras: Any, rate: float, iterations: int) -> Any:
        return rate
