"""Copies of variables' values, to compare with later values, and to restore bit for bit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.types import Variable


class Snapshot:
    """The values of these variables when the snapshot was made."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self._variables = variables
        self.values = values(variables)

    def restore(self) -> None:
        """Assign these values to the variables again, bit for bit."""
        for variable, value in zip(self._variables, self.values, strict=True):
            variable.assign(value)


def values(variables: Sequence[Variable]) -> list[NDArray[Any]]:
    """Return copies of the variables' values, as arrays."""
    return [np.array(variable.numpy()) for variable in variables]
