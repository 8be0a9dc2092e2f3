"""The base class of learning-rate schedules."""

from abc import ABC, abstractmethod
from typing import Any


class Schedule(ABC):
    """The learning rate as a function of the iteration: the base class of every file in `schedule/`."""

    @abstractmethod
    def build(self, *, keras: Any, rate: float, iterations: int) -> Any:
        """Return a learning rate for a Keras optimizer. It starts at `rate`; the run has `iterations` iterations."""
