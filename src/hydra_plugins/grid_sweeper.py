"""A Hydra sweeper that trains every combination of the swept values, and moves the keys in `zip` together."""

from collections.abc import Mapping, Sequence
from itertools import chain, product

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override


class GridSweeper(BasicSweeper):
    """Hydra's own sweeper, with a `zip`: a list of keys whose first values go together, then their second, and so on.

    Together they are one key of the grid, at the place of the first of them.
    """

    def __init__(
        self, max_batch_size: int | None, params: Mapping[str, str] | None = None, zip: Sequence[str] | None = None
    ) -> None:
        super().__init__(max_batch_size, dict(params or {}))
        if zip is not None and (not isinstance(zip, Sequence) or isinstance(zip, str) or len(set(zip)) < 2):
            raise SystemExit(f"ganfreeze: hydra.sweeper.zip={zip}: must be a list of two keys or more, in brackets")
        self._zip = zip or []

    def split_arguments(  # pyright: ignore[reportIncompatibleMethodOverride]: Hydra's is static, and called by self
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Return the overrides of all jobs, in batches."""
        columns = {
            override.get_key_element(): BasicSweeper.split_arguments([override], None)[0] for override in overrides
        }
        keys = list(dict.fromkeys(self._zip))
        if missing := [key for key in keys if len(columns.get(key, ())) < 2]:
            raise SystemExit(f"ganfreeze: hydra.sweeper.zip: {missing[0]} has only one value in this sweep")
        lengths = [len(columns[key]) for key in keys]
        if len(set(lengths)) > 1:
            counts = ", ".join(f"{key} has {length}" for key, length in zip(keys, lengths, strict=True))
            raise SystemExit(f"ganfreeze: hydra.sweeper.zip: the keys need as many values each; {counts}")
        rows = [list(chain(*row)) for row in zip(*(columns[key] for key in keys), strict=True)]
        axes = {keys[0] if key in keys else key: rows if key in keys else column for key, column in columns.items()}
        jobs = [list(chain(*choice)) for choice in product(*axes.values())]
        return list(self.split_overrides_to_chunks(jobs, max_batch_size))
