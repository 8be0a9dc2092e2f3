"""A Hydra sweeper that searches: Optuna suggests values, each trial is trained with several seeds, the best is said.

It searches in batches of as many trials as the launcher runs at a time. The study is a part of the sweep, and lies
beside it in `paths.state`, so that the same command goes on with both.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ganfreeze.app import exits
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.search import Space, conclusion, larger_is_better, overrides_of, search, space_of
from ganfreeze.app.sweep import Sweep
from ganfreeze.app.sweep_job import job_name, parsed
from ganfreeze.app.validation import parse_options
from ganfreeze.errors import BadInput, one_line
from ganfreeze.record.study import Ended, Pruner, Statistic, Study, Trial
from ganfreeze.types import Count, Index
from hydra_plugins.fresh_process_launcher import FreshProcessLauncher


class OptunaSweeper(Sweeper):
    """Search the values of the swept keys for the best `figure`, with `n_trials` trials in all.

    Each trial is trained with each seed, and `statistic` makes one value of their figures. `pruner` says when a trial
    is given up after some of its seeds. `seed` is that of the suggestions. `direction` is for a figure of your own.
    """

    def __init__(
        self,
        figure: str,
        n_trials: Count,
        statistic: Statistic = "mean",
        pruner: Pruner = "median",
        seed: Index = 0,
        direction: Literal["minimize", "maximize"] | None = None,
        params: Mapping[str, str] | None = None,
        trial: Index | None = None,
    ) -> None:
        options = {"figure": figure, "n_trials": n_trials, "statistic": statistic, "pruner": pruner, "seed": seed}
        options |= {"direction": direction, "trial": trial, "params": dict(params or {})}
        try:
            parse_options("hydra.sweeper", OptunaSweeper, options)
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {error}") from None
        self._figure, self._total, self._seed, self._params = figure, n_trials, seed, dict(params or {})
        self._statistic: Statistic = statistic
        self._pruner: Pruner = pruner
        self._direction = direction

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._config, self._loader = config, hydra_context.config_loader
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        if not isinstance(launcher, FreshProcessLauncher):
            raise SystemExit("ganfreeze: hydra/sweeper=optuna needs hydra/launcher=fresh_process")
        self._launcher = launcher

    def sweep(self, arguments: list[str]) -> None:
        with exits.friendly_errors():
            try:
                space, variant = self._checked(arguments)
                larger = larger_is_better(self._figure, self._direction, variant)
                plan = f"{space.text} {self._figure} {self._statistic} {self._pruner} {self._seed} {larger}"
                sweep = Sweep([variant], plan)
                sweep.begin()
                study = Study(
                    sweep.state / "studies" / f"{sweep.name}.db",
                    space.open,
                    self._figure,
                    larger_is_better=larger,
                    statistic=self._statistic,
                    pruner=self._pruner,
                    seed=self._seed,
                )
            except BadInput as error:
                self._launcher.give_up()
                raise SystemExit(f"ganfreeze: nothing was started; {error}") from None
            folder = Path(self._config.hydra.sweep.dir)
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(self._config, folder / "multirun.yaml")

            def train(trials: Mapping[int, Trial], step: int) -> Mapping[int, Ended]:
                return self._train(sweep, space, trials, step)

            search(study, max(1, len(space.seeds)), train, size=self._launcher.n_jobs, total=self._total)
            print(f"\n{sweep.close()}", flush=True)
            found = study.findings()
            text = conclusion(found, space)
            print("\n".join(filter(None, [f"\n{text}", sweep.close_search(found, text)])), flush=True)
            if found.best is None:
                raise SystemExit("ganfreeze: no trial has a figure of each seed")

    def _checked(self, arguments: Sequence[str]) -> tuple[Space, Variant]:
        """Return the space, and the first variant of it. Raises BadInput that says what is wrong."""
        own = [f"{key}={value}" for key, value in self._params.items()]
        space = space_of(OverridesParser.create(self._loader).parse_overrides([*own, *arguments]))
        self._launcher.warm_up()
        overrides = [*overrides_of(space, space.first), *space.seeds[:1]]
        try:
            return space, _of_one_seed(parsed(self._launcher.compose(overrides)))
        except HydraException as error:
            raise BadInput(f"{shlex.join(overrides)}: {str(error).splitlines()[0]}") from None

    def _train(self, sweep: Sweep, space: Space, trials: Mapping[int, Trial], step: int) -> Mapping[int, Ended]:
        """Train a seed of some trials, and return how each job ended."""
        jobs, ended = {}, {}
        for number, trial in trials.items():
            job = self._launcher.compose(
                [
                    *overrides_of(space, trial.values),
                    *space.seeds[step : step + 1],
                    f"hydra.sweeper.trial={trial.first}",
                ]
            )
            try:
                sweep.add(number, [job_name(job)], [_of_one_seed(parsed(job))])
                jobs[number] = job
            except BadInput as error:
                ended[number] = Ended(None, one_line(error, 500), hopeless=True)
        self._launcher.train(sweep, jobs)
        return ended | {number: sweep.ended(number, self._figure) for number in jobs}


def _of_one_seed(variant: Variant) -> Variant:
    """Return a variant that trains one seed. Raises BadInput if it trains several."""
    if variant.settings.seeds_at_once > 1:
        raise BadInput("seeds_at_once: a search trains one seed at a time; list them, as in seed=0,1,2")
    return variant
