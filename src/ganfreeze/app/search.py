"""A search: what a command line leaves open, and the trials that fill it in, seed by seed."""

import math
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from hydra.core.override_parser.types import IntervalSweep, Override

from ganfreeze.app.parse_config import Variant
from ganfreeze.commands import as_typed
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.metrics import ranking
from ganfreeze.record.report import formats
from ganfreeze.record.study import Ended, Findings, Study, Suggest, Trial


class Space(NamedTuple):
    """What a search is over: overrides that are fixed, suggestions by key, and seeds that each trial is trained with.

    `first` is a choice of values, to check the rest of the command line with; `text` is everything as it was typed.
    """

    fixed: Sequence[str]
    open: Mapping[str, Suggest]
    seeds: Sequence[str]
    first: Mapping[str, Any]
    text: str


Train = Callable[[Mapping[int, Trial], int], Mapping[int, Ended]]  # trials by the numbers of their jobs, and the seed


def space_of(overrides: Sequence[Override]) -> Space:
    """Return the space of a search.

    Raises:
        BadInput: nothing is left open, an interval is empty, or seeds are an interval.
    """
    latest = {override.get_key_element(): override for override in overrides}
    swept = {key: override for key, override in latest.items() if override.is_sweep_override()}
    seeds, found = swept.pop("seed", None), {key: _suggestion(override) for key, override in swept.items()}
    if seeds and not seeds.is_discrete_sweep():
        raise BadInput(f"{seeds.input_line}: seeds are repeats of a trial, so list them, as in seed=0,1,2 or range(3)")
    if not found:
        raise BadInput(
            "there is nothing to search: give a key an interval, a range or several values, as in "
            "'optimizer.generator_rate=tag(log, interval(1e-5, 1e-3))'"
        )
    return Space(
        fixed=[str(each.input_line) for key, each in latest.items() if key not in swept and each is not seeds],
        open={key: suggest for key, (suggest, _) in found.items()},
        seeds=[f"seed={seed}" for seed in dict.fromkeys(seeds.sweep_string_iterator())] if seeds else [],
        first={key: first for key, (_, first) in found.items()},
        text=" ".join(sorted(str(each.input_line) for each in (*swept.values(), *([seeds] if seeds else [])))),
    )


def _suggestion(override: Override) -> tuple[Suggest, Any]:
    """Return what suggests a value of a key, and its first value."""
    value = override.value()
    if not override.is_interval_sweep():
        texts = list(override.sweep_string_iterator())
        if override.is_range_sweep() and len(texts) > 1 and all(text.lstrip("-").isdigit() for text in texts):
            numbers = sorted(map(int, texts))
            suggest = _method("suggest_int", low=numbers[0], high=numbers[-1], step=numbers[1] - numbers[0])
            return suggest, numbers[0]
        return _method("suggest_categorical", choices=texts), texts[0]
    assert isinstance(value, IntervalSweep)
    low, high, log = value.start, value.end, "log" in value.tags
    assert low is not None and high is not None
    if low >= high or not math.isfinite(high - low):
        raise BadInput(f"{override.input_line}: must go from a smaller to a larger number")
    if log and low <= 0:
        raise BadInput(f"{override.input_line}: tag log needs an interval of numbers above 0")
    whole = isinstance(low, int) and isinstance(high, int)
    return _method("suggest_int" if whole else "suggest_float", low=low, high=high, log=log), low


def _method(name: str, **options: Any) -> Suggest:
    return partial(_call, name, options)


def _call(name: str, options: Mapping[str, Any], ask: Any, key: str) -> Any:
    return getattr(ask, name)(key, **options)


def overrides_of(space: Space, values: Mapping[str, Any]) -> list[str]:
    """Return the overrides of a variant of the search, without its seed."""
    return [*space.fixed, *(f"{key}={value}" for key, value in values.items())]


def larger_is_better(figure: str, direction: str | None, variant: Variant) -> bool:
    """Return whether a search is for large values of a figure: as the metric says, or `direction` for another one.

    Raises:
        BadInput: the variant does not measure the figure, or nothing says its direction.
    """
    variant.require_measured("hydra.sweeper.figure", figure)
    metric = figure.rpartition("/")[2]
    if metric in ranking.LARGER_IS_BETTER | ranking.SMALLER_IS_BETTER:
        natural = metric in ranking.LARGER_IS_BETTER
        if direction and (direction == "maximize") != natural:
            right = "maximize" if natural else "minimize"
            raise BadInput(f"hydra.sweeper.direction={direction}: {figure} is one to {right}")
        return natural
    if direction is None:
        raise BadInput(f"hydra.sweeper.figure={figure}: set hydra.sweeper.direction=minimize or maximize for it")
    return direction == "maximize"


def search(study: Study, seeds: int, train: Train, *, size: int, total: int) -> None:
    """Train all trials of a study that are left of `total`, in batches of `size`, seed by seed.

    A trial that is behind the others after a seed is pruned. One that fails ends, and the search goes on. One that
    would fail again is pruned too, so that the sampler learns to stay away. Equal trials share their jobs.
    """
    while trials := study.next(size, total):
        for step in range(seeds):
            numbers = {trial.number: trial.first * seeds + step for trial in trials}
            ended = train({numbers[trial.number]: trial for trial in trials}, step)
            trials = [trial for trial in trials if _is_reported(study, trial, step, ended[numbers[trial.number]])]
            if step + 1 < seeds:
                behind = [trial for trial in trials if study.is_behind(trial)]
                for trial in behind:
                    study.prune(trial)
                trials = [trial for trial in trials if trial not in behind]
            if not trials:
                break
        for trial in trials:
            study.complete(trial)


def _is_reported(study: Study, trial: Trial, step: int, ended: Ended) -> bool:
    if ended.figure is not None:
        study.report(trial, step, ended.figure)
    elif ended.hopeless:
        study.prune(trial, ended.why)
    else:
        study.fail(trial, ended.why)
    return ended.figure is not None


def conclusion(found: Findings, space: Space) -> str:
    """Return in a few lines how the trials ended, why some have no value, and which was the best; how to train it."""
    counts = Counter("failed" if trial.why else trial.state.lower() for trial in found.trials)
    lines = [f"{len(found.trials)} trials: {', '.join(f'{count} {state}' for state, count in counts.items())}"]
    lines += [f"trial {trial.number} failed: {trial.why}" for trial in found.trials if trial.why]
    if found.best is None:
        return "\n".join(lines)
    best = found.trials[found.best]
    assert best.value is not None
    figures = ", ".join(map(formats.number, best.figures))
    of_seeds = f" of {len(best.figures)} seeds: {figures}" if len(best.figures) > 1 else ""
    values = " ".join(f"{key}={value}" for key, value in best.values.items())
    lines.append(f"best is trial {best.number}, {values}: {found.figure} {formats.number(best.value)}{of_seeds}")
    if found.importances:
        shares = [f"{key} {share:.2f}" for key, share in found.importances.items()]
        lines.append(f"importance: {', '.join(shares)}")
    seeds = [f"seed={','.join(seed.removeprefix('seed=') for seed in space.seeds)}"] if space.seeds else []
    multirun = ["-m"] if len(space.seeds) > 1 else []
    again = shlex.join(["python", "src/train.py", *multirun, *overrides_of(space, best.values), *seeds])
    return "\n".join([*lines, f"To train it again: {as_typed(again)}"])
