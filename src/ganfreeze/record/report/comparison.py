"""Compare a run that was run again with its record, and show what differs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.record.report import formats

History = Sequence[tuple[int, float]]  # steps and values


class Difference(NamedTuple):
    """Something that is not the same: its name, where it differs first, and both values there."""

    name: str
    where: str
    recorded: str
    now: str


def of_metrics(recorded: Mapping[str, History], now: Mapping[str, History]) -> Iterator[Difference]:
    """Yield a difference for each metric whose values are not all equal to the bit, or not of the same steps."""
    for name in sorted({*recorded, *now}):
        before, after = dict(recorded.get(name, ())), dict(now.get(name, ()))
        for step in sorted({*before, *after}):
            if not _equal(before.get(step), after.get(step)):
                yield Difference(name, f"step {step}", repr(before.get(step)), repr(after.get(step)))
                break


def of_weights(recorded: Mapping[str, NDArray[Any]], now: Mapping[str, NDArray[Any]]) -> Iterator[Difference]:
    """Yield a difference for each array of weights that is not equal to the bit."""
    for name in sorted({*recorded, *now}):
        before, after = recorded.get(name), now.get(name)
        if before is None or after is None or before.shape != after.shape:
            yield Difference(name, "shape", *("none" if each is None else str(each.shape) for each in (before, after)))
        elif before.tobytes() != after.tobytes():
            distance = float(np.abs(before.astype(np.float64) - after).max())
            yield Difference(name, "largest difference of an element", "0", f"{distance:.3g}")


def of_facts(recorded: Mapping[str, str], now: Mapping[str, str], beginnings: tuple[str, ...]) -> Iterator[str]:
    """Yield a sentence for each recorded fact whose name begins so, such as a version, and that is another now."""
    for name, was in recorded.items():
        if name.startswith(beginnings) and now.get(name, "unknown") != was:
            yield f"{name} was {was}, and is {now.get(name, 'unknown')}"


def table(differences: Sequence[Difference]) -> str:
    """Return the differences as a Markdown table."""
    return formats.markdown(Difference._fields, differences)


def _equal(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return False
    return first.hex() == second.hex()
