"""The custom gradients that TensorFlow has traced.

TensorFlow keeps each one for ever, and with it the whole graph that it was traced in. So a process that trains many
variants grows with each of them.
"""

from collections.abc import Collection
from importlib import import_module
from typing import Any


def _registry() -> dict[str, Any]:
    return import_module("tensorflow.python.framework.ops").gradient_registry._registry


def traced() -> frozenset[str]:
    """Return the names of all custom gradients that were traced so far and are kept."""
    return frozenset(name for name in _registry() if name.startswith("CustomGradient-"))


def forget(kept: Collection[str] = frozenset()) -> None:
    """Let go of all traced gradients but those `kept`. Graphs that were made with them have no gradient any more."""
    for name in traced().difference(kept):
        del _registry()[name]
