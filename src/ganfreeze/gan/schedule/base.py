"""What a file in `schedule/` holds."""

from abc import ABC, abstractmethod
from typing import Any


class Schedule(ABC):
    """What a file in `schedule/` holds: how a learning rate falls."""

    @abstractmethod
    def build(self, *, keras: Any, rate: float, iterations: int) -> Any:
        """A learning rate for a Keras optimizer that starts at `rate` and is called `iterations` times."""
