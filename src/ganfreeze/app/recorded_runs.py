"""A variant from what a run recorded of itself, to be evaluated by what is asked for now."""

from collections.abc import Collection, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from ganfreeze import errors
from ganfreeze.app.config import GROUPS, Variant, check
from ganfreeze.app.study import composed
from ganfreeze.record import mlflow_store

_ASKED = ("evaluator", "tracker", "paths", "dataset.path")  # what may be chosen anew; the rest is the run's own


def variant(found: mlflow_store.Recorded, overrides: Sequence[str]) -> Variant:
    """The run's own variant, with these overrides, of the evaluator, the tracker, the paths and where the data lie.

    Where a value comes from elsewhere in the config, as folders do, it is looked up now: the run may have been
    somewhere else. What the run does not know of, because it is older, has its default.

    Raises:
        BadInput: an override is of something that the run has decided, or the config is no good.
    """
    given = {each.partition("=")[0].lstrip("+~"): each.partition("=")[2].strip("'\"") for each in overrides}
    for key in given:
        if key not in _ASKED and key.partition(".")[0] not in _ASKED:
            raise errors.BadInput(f"{key}: cannot be chosen here, it is the run's own; {', '.join(_ASKED)} can")
    kept = {word: found.parameters[word] for word in GROUPS if word in found.parameters and word not in _ASKED}
    evaluator = given.get("evaluator", found.parameters.get("evaluator", "none"))
    words = [f"{group}={word}" for group, word in {**kept, "evaluator": evaluator}.items()]
    others = [each for each in overrides if not each.startswith("evaluator=")]
    cfg, choices = composed(*words, *others)
    theirs: Any = OmegaConf.create(found.config)
    known = evaluator == found.parameters.get("evaluator")  # then its options were recorded
    skip = {"tracker.uri", "paths", *(given.keys() - {"evaluator"}), *([] if known else ["evaluator"])}
    with open_dict(cfg):
        _lay_over(cfg, theirs, skip)
    return check(cfg, choices)


def _lay_over(cfg: DictConfig, theirs: DictConfig, skip: Collection[str], prefix: str = "") -> None:
    """Set what was recorded, except keys to skip and values that come from elsewhere in the config.

    Of our own parts the word decides, not the module that it named when the run was recorded: modules move.
    """
    for key in theirs:
        path = f"{prefix}{key}"
        if path in skip or (key in cfg and OmegaConf.is_interpolation(cfg, str(key))):
            continue
        if key == "_target_" and str(theirs[key]).startswith("ganfreeze."):
            continue
        if isinstance(theirs[key], DictConfig) and isinstance(cfg.get(key), DictConfig):
            _lay_over(cfg[key], theirs[key], skip, f"{path}.")
        else:
            cfg[key] = theirs[key]
