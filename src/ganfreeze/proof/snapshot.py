"""Values of variables, to be compared with, and to be put back bit for bit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.types import Variable


class Snapshot:
    """What these variables hold now."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self._variables = variables
        self.values = values(variables)

    def restore(self) -> None:
        """Put it back, bit for bit."""
        for variable, value in zip(self._variables, self.values, strict=True):
            variable.assign(value)


def values(variables: Sequence[Variable]) -> list[NDArray[Any]]:
    """Copies of what the variables hold, as arrays."""
    return [np.array(variable.numpy()) for variable in variables]
