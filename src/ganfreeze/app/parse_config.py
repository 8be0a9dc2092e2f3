"""Parse a composed config into a variant: typed settings, and the parts that need no TensorFlow."""

import operator
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganfreeze.app.settings import Settings, parse_settings, require_consistent
from ganfreeze.app.validation import parse_options, refusal, require_values
from ganfreeze.data.dataset.base import Source
from ganfreeze.errors import BadInput, Refused
from ganfreeze.evaluation.evaluator.base import Evaluator
from ganfreeze.gan.architecture.base import Architecture
from ganfreeze.gan.freeze.base import Freeze
from ganfreeze.gan.loss.base import Loss
from ganfreeze.gan.optimizer.base import OptimizerPair
from ganfreeze.gan.regularizer.base import Regularizer
from ganfreeze.gan.schedule.base import Schedule
from ganfreeze.gan.update.base import Update
from ganfreeze.record.tracker.base import Tracker
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.types import GROUPS, Choices

# For a config in which one number depends on another: ${times:64,${packing}}.
OmegaConf.register_new_resolver("times", operator.mul, replace=True)


# What several seeds in one program go with. A penalty on gradients would mix the seeds.
_SEEDS_AT_ONCE: Choices = {
    "strategy": ["tape"],
    "keras": ["keras3"],
    "regularizer": ["none", "weight_clip"],
    "precision": ["float32", "float64"],
    "devices": [1],
    "eager": [False],
    "on_nan": ["stop", "continue"],
    "cadence.audit": [None],
    "resume": ["auto", "never"],
}


class StrategyFactory(NamedTuple):
    """A mechanism with its options, waiting for a game."""

    mechanism: type[Strategy]
    options: Mapping[str, Any]

    def build(self, game: Game) -> Strategy:
        """Build the strategy for this game."""
        return self.mechanism(game=game, **self.options)  # pyright: ignore[reportCallIssue]


class Variant(NamedTuple):
    """Everything that a config says, checked.

    `words` has the option of each group ("tape" of "strategy"); `values` every word, option and setting by its dotted
    key, as MLflow records them; `yaml` the config. `load_keras` imports a Keras, and `strategy` waits for a game.
    """

    words: Mapping[str, str]
    values: Mapping[str, Any]
    yaml: str
    settings: Settings
    load_keras: Callable[[], ModuleType]
    strategy: StrategyFactory
    update: Update
    architecture: Architecture
    freeze: Freeze
    loss: Loss
    regularizer: Regularizer
    optimizer: OptimizerPair
    schedule: Schedule
    source: Source
    evaluator: Evaluator
    tracker: Tracker

    def require_measured(self, key: str, metric: str) -> None:
        """Raise BadInput if the value of `key`, the full name of a metric, is none that an evaluation measures."""
        measured = self.evaluator.metric_names()
        averaged = [name.replace("/", "_ema/") for name in measured] if self.settings.ema else []
        if metric not in (there := [*measured, *averaged]):
            names = ", ".join(there) or "nothing"
            raise BadInput(f"{key}={metric}: is not measured; evaluator={self.words['evaluator']} measures {names}")


class _Part(NamedTuple):
    """A class or function that a group names, with its checked options."""

    target: Any
    options: Mapping[str, Any]

    def make(self) -> Any:
        return self.target(**self.options)


def parse(cfg: DictConfig, words: Mapping[str, str]) -> Variant:
    """Parse a composed config; `words` says which option was chosen of each group.

    Raises:
        BadInput: a value is missing, of the wrong type or out of range.
        Refused: two choices do not go together.
    """
    composed = resolved(cfg)
    require_values(composed)
    settings = parse_settings({key: value for key, value in composed.items() if key not in GROUPS})
    parts = {group: _part(group, words.get(group), composed.get(group, {})) for group in GROUPS}
    chosen = {group: words[group] for group in GROUPS}
    defaults = {group: part.options for group, part in parts.items()}  # also of options that a YAML file leaves out
    values = {**dict(_flat(defaults)), **dict(_flat(composed)), **chosen}
    for group, part in parts.items():
        supports, conflicts = getattr(part.target, "supports", {}), getattr(part.target, "conflicts", ())
        if reason := refusal(f"{group}={chosen[group]}", supports, conflicts, values):
            raise Refused(reason)
    if settings.devices > 1 and not parts["strategy"].target.shares_batches:
        raise Refused(
            f"strategy={chosen['strategy']} does not go with devices={settings.devices}; it goes with devices=1"
        )
    require_consistent(settings)
    several = settings.seeds_at_once > 1
    if reason := several and refusal(f"seeds_at_once={settings.seeds_at_once}", _SEEDS_AT_ONCE, (), values):
        raise Refused(reason)
    variant = Variant(
        words=chosen,
        values=values,
        yaml=OmegaConf.to_yaml(cfg, resolve=True),
        settings=settings,
        load_keras=parts["keras"].make,
        strategy=StrategyFactory(mechanism=parts["strategy"].target, options=parts["strategy"].options),
        update=parts["update"].make(),
        architecture=parts["architecture"].make(),
        freeze=parts["freeze"].make(),
        loss=parts["loss"].make(),
        regularizer=parts["regularizer"].make(),
        optimizer=parts["optimizer"].make(),
        schedule=parts["schedule"].make(),
        source=parts["dataset"].make(),
        evaluator=parts["evaluator"].make(),
        tracker=parts["tracker"].make(),
    )
    variant.optimizer.check(variant.update)
    return variant


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Return the values of a config, interpolations resolved. Raises BadInput that names a key which has none."""
    try:
        return OmegaConf.to_container(cfg, resolve=True)  # pyright: ignore[reportReturnType]
    except OmegaConfBaseException as error:
        raise BadInput(f"{error.full_key}: {str(error).splitlines()[0]}") from None


def _part(group: str, word: Any, options: Mapping[str, Any]) -> _Part:
    if not isinstance(word, str) or "_target_" not in options:
        raise BadInput(f"{group}={word}: must be one word, the name of a file in conf/{group}")
    try:
        target = get_object(options["_target_"])
    except Exception as error:
        raise BadInput(
            f"{group}._target_={options['_target_']}: cannot be imported. {str(error).splitlines()[-1]}"
        ) from None
    own = {key: value for key, value in options.items() if key != "_target_"}
    given_by_app = ("game",) if group == "strategy" else ()
    return _Part(target, parse_options(group, target, own, given_by_app=given_by_app))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield values by dotted keys, without the `_target_` that Hydra names parts by."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif key != "_target_":
            yield prefix + key, value
