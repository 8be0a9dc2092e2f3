"""The study of a search: its trials in a SQLite file of their own, by Optuna.

A trial is a choice of values, trained with each seed. Its figures by seed are Optuna's intermediate values, and their
mean, median, smallest or largest is its value. What is suggested depends on the number of the trial and on the batches
before it, so a search that was killed ends with the trials that it would have had.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from ganfreeze.errors import BadInput

Suggest = Callable[[Any, str], Any]  # an Optuna trial and a key to a value; it is Trial.suggest_float or the like
Pruner = Literal["median", "wilcoxon", "none"]
Statistic = Literal["mean", "median", "min", "max"]

_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": fmean,
    "median": median,
    "min": min,
    "max": max,
}
_WHY = "why"


class Ended(NamedTuple):
    """How a training ended: its figure, or why it has none, and whether it would end so again."""

    figure: float | None
    why: str = ""
    hopeless: bool = False


class Trial(NamedTuple):
    """A trial that goes on: its number, its values by key, and the number of the first trial with these values."""

    number: int
    values: Mapping[str, Any]
    first: int
    ask: Any


class Tried(NamedTuple):
    """A trial as it is recorded: its state (COMPLETE, PRUNED, FAIL, RUNNING), its value, `why` it failed, or ""."""

    number: int
    state: str
    value: float | None
    values: Mapping[str, Any]
    figures: Sequence[float]
    why: str


class Findings(NamedTuple):
    """What a search has found: all trials, the number of the best, and the importance of each key, which add to 1."""

    figure: str
    trials: Sequence[Tried]
    best: int | None
    importances: Mapping[str, float]
    larger_is_better: bool


class Study:
    """A study in a file, which one process may hold at a time, until it ends."""

    def __init__(
        self,
        file: Path,
        space: Mapping[str, Suggest],
        figure: str,
        *,
        larger_is_better: bool,
        statistic: Statistic = "mean",
        pruner: Pruner = "median",
        seed: int = 0,
    ) -> None:
        """Open the study, or make it. Raises BadInput if another process holds it, or the file cannot be written."""
        import optuna  # it takes half a second, and only a search needs it

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna, self._space, self._figure, self._seed = optuna, space, figure, seed
        self._larger_is_better, self._statistic = larger_is_better, _STATISTICS[statistic]
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(file.with_suffix(".lock"))
            self._lock.acquire(timeout=1)
            self._study = optuna.create_study(
                storage=optuna.storages.RDBStorage(f"sqlite:///{file}"),
                study_name=file.stem,
                direction="maximize" if larger_is_better else "minimize",
                pruner=_pruner(optuna, pruner),
                load_if_exists=True,
            )
        except Timeout:
            raise BadInput(f"{file}: another process searches this study now") from None
        except (OSError, optuna.exceptions.StorageInternalError) as error:
            raise BadInput(f"paths.state: {file} cannot be written ({error})") from error

    def next(self, size: int, total: int) -> list[Trial]:
        """Return the next batch of `size` trials of `total`: those that a killed search left, and new ones."""
        trials = self._study.get_trials()
        left = [trial for trial in trials if not trial.state.is_finished()]
        first = left[0].number if left else len(trials)
        new = range(len(trials), min((first // size + 1) * size, total))
        asks = [self._optuna.trial.Trial(self._study, trial._trial_id) for trial in left]
        batch = [self._values(ask) for ask in asks]
        return batch + [self._new(number) for number in new]

    def report(self, trial: Trial, step: int, figure: float) -> None:
        """Note the figure of a trial's seed, counted from 0, once."""
        if step not in self._recorded(trial).intermediate_values:
            trial.ask.report(figure, step)

    def is_behind(self, trial: Trial) -> bool:
        """Return whether a trial is to be pruned after the figures that it has."""
        return trial.ask.should_prune()

    def complete(self, trial: Trial) -> None:
        """End a trial that has a figure of each seed."""
        self._study.tell(trial.number, self._statistic(self._figures(self._recorded(trial))))

    def prune(self, trial: Trial, why: str = "") -> None:
        """End a trial that is behind the others, or that would fail again. The sampler learns from it."""
        self._end(trial, why, self._optuna.trial.TrialState.PRUNED)

    def fail(self, trial: Trial, why: str) -> None:
        """End a trial that tells nothing about its values."""
        self._end(trial, why, self._optuna.trial.TrialState.FAIL)

    def findings(self) -> Findings:
        """Return what was found so far."""
        trials = [
            Tried(
                number=trial.number,
                state=trial.state.name,
                value=trial.value if trial.state.name == "COMPLETE" else None,
                values=trial.params,
                figures=list(self._figures(trial)),
                why=trial.user_attrs.get(_WHY, ""),
            )
            for trial in self._study.get_trials()
        ]
        complete = [trial for trial in trials if trial.value is not None]
        best = self._study.best_trial.number if complete else None
        return Findings(self._figure, trials, best, self._importances(complete), self._larger_is_better)

    def _importances(self, complete: Sequence[Tried]) -> Mapping[str, float]:
        if len({trial.value for trial in complete}) < 2:
            return {}
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
        return self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)

    def _new(self, number: int) -> Trial:
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        self._study.sampler = self._optuna.samplers.TPESampler(seed=seed)
        return self._values(self._study.ask())

    def _values(self, ask: Any) -> Trial:
        values = {key: suggest(ask, key) for key, suggest in self._space.items()}
        twins = [trial.number for trial in self._study.get_trials(deepcopy=False) if trial.params == values]
        return Trial(ask.number, values, min(twins, default=ask.number), ask)

    def _recorded(self, trial: Trial) -> Any:
        return self._study.get_trials(deepcopy=False)[trial.number]

    def _end(self, trial: Trial, why: str, state: Any) -> None:
        trial.ask.set_user_attr(_WHY, why)
        self._study.tell(trial.number, state=state)

    @staticmethod
    def _figures(recorded: Any) -> Sequence[float]:
        return [value for _, value in sorted(recorded.intermediate_values.items())]


def _pruner(optuna: Any, word: Pruner) -> Any:
    match word:
        case "median":
            return optuna.pruners.MedianPruner()
        case "wilcoxon":
            with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
                return optuna.pruners.WilcoxonPruner()
        case "none":
            return optuna.pruners.NopPruner()
