"""Group runs by what differs in their configs beside the seed: each group is a variant."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ganfreeze.record.report.query import RecordedRun
from ganfreeze.types import GROUPS

# What does not change a result, or is measured: it makes no variant.
_NO_VARIANT = ("seed", "paths", "tracker", "resume", "sweep", "gpu_memory", "keep", "judge", "execution", "cadence")
_PLACES = ("dataset.path", "dataset.data", "dataset.cache", "evaluator.cache", "evaluator.weights")
_MEASURED = ("evaluator.test_accuracy", "evaluator.rotation_accuracy")
_DECIDES = {"batch_size": "packing"}


class Group(NamedTuple):
    """The runs of a variant, by their seeds. `words` holds what differs from the other variants, by its key."""

    words: Mapping[str, str]
    runs: Sequence[RecordedRun]

    @property
    def name(self) -> str:
        """The words of the variant: an option of a group stands alone, a setting stands with its key."""
        return " ".join(word_of(key, value) for key, value in self.words.items()) or "all"

    @property
    def finished(self) -> Mapping[int, RecordedRun]:
        """The finished runs, by their seeds."""
        return {run.seed: run for run in self.runs if run.is_finished}


def grouped(runs: Sequence[RecordedRun]) -> list[Group]:
    """Return the variants of these runs, in the order in which they come.

    Of several runs of a seed the last finished one counts, or else the last.

    An option that is decided by another word, such as `update.batches` by `update`, is left out.
    """
    keys = _differing(runs)
    found: dict[tuple[str, ...], dict[int, RecordedRun]] = {}
    for run in runs:
        by_seed = found.setdefault(tuple(run.parameters.get(key, "-") for key in keys), {})
        if run.is_finished or not (run.seed in by_seed and by_seed[run.seed].is_finished):
            by_seed[run.seed] = run
    return [
        Group(dict(zip(keys, values, strict=True)), [by_seed[seed] for seed in sorted(by_seed)])
        for values, by_seed in found.items()
    ]


def constants(runs: Sequence[RecordedRun]) -> Mapping[str, str]:
    """Return the words and settings that all runs share: those of groups first."""
    first = runs[0].parameters
    keys = [key for key in first if is_chosen(key)]
    keys = sorted(keys, key=lambda key: (key not in GROUPS, "." in key))
    return {key: first[key] for key in keys if all(run.parameters.get(key) == first[key] for run in runs)}


def is_chosen(key: str) -> bool:
    """Return whether a recorded parameter says what was trained: no place, no measured fact, no seed."""
    return key.partition(".")[0] not in _NO_VARIANT and key not in (*_PLACES, *_MEASURED)


def _differing(runs: Sequence[RecordedRun]) -> list[str]:
    """Return the keys of the words by which the runs differ: config groups first, in the order of their recording."""
    keys = dict.fromkeys(key for run in runs for key in run.parameters if is_chosen(key))
    differing = [key for key in keys if len({run.parameters.get(key) for run in runs}) > 1]
    kept: list[str] = []
    for key in sorted(differing, key=lambda key: "." in key):
        deciding = [by for by in differing if key.startswith(f"{by}.") or _DECIDES.get(key) == by]
        if not any(_is_decided(runs, key, by) for by in deciding):
            kept.append(key)
    return kept


def _is_decided(runs: Sequence[RecordedRun], key: str, by: str) -> bool:
    values: dict[str | None, set[str | None]] = {}
    for run in runs:
        values.setdefault(run.parameters.get(by), set()).add(run.parameters.get(key))
    return all(len(each) == 1 for each in values.values())


def word_of(key: str, value: str) -> str:
    """Return how a value of a key is called in a name: "tape", but "seed=3" and "regularizer=none"."""
    return value if key in GROUPS and value != "none" else f"{key}={value}"
