"""Describe a run: the event that opens its record."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ganfreeze.app.parse_config import Variant
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.events import Described
from ganfreeze.record import provenance


def describe(
    variant: Variant,
    dataset: Dataset,
    name: str,
    *,
    parameters: Mapping[str, Any] = MappingProxyType({}),
    tags: Mapping[str, str] = MappingProxyType({}),
) -> Described:
    """Describe a run called `name`; `parameters` and `tags` are recorded beside the variant's own."""
    return Described(
        parameters={**variant.values, **parameters},
        config=variant.yaml,
        tags={"mlflow.runName": name, **provenance.tags(), **tags},
        versions=provenance.versions(),
        dataset=dataset,
        changes=provenance.changes(),
    )
