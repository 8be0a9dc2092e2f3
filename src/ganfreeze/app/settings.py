"""The settings of a training run, as types: everything in its config beside the words of the groups."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ganfreeze.app.validation import validated
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.metrics import ranking
from ganfreeze.loop import Cadence
from ganfreeze.types import Count, Index, Latent, Precision

_GLANCES = 10


def _decay(value: Any) -> float | None:
    if value == "none":
        return None
    if not isinstance(value, float) or not 0 < value < 1:
        raise ValueError("none, or a number between 0 and 1 such as 0.999")
    return value


def _fused_steps(value: Any) -> int | Literal["auto"]:
    if value != "auto" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError("auto, or a number of steps of at least 1")
    return value


def _glance(value: Any) -> int | Literal["auto"] | None:
    if value not in ("auto", None) and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError("auto, null, or a number of steps of at least 1")
    return value


class Strict(BaseModel):
    """Settings of exact types, with no others beside them."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _metric(value: Any) -> str | None:
    if value is None:
        return None
    prefix, _, metric = str(value).rpartition("/")
    if not prefix or metric not in ranking.LARGER_IS_BETTER | ranking.SMALLER_IS_BETTER:
        known = ", ".join(sorted(ranking.LARGER_IS_BETTER | ranking.SMALLER_IS_BETTER))
        raise ValueError(f"null, or a metric with its evaluator such as classifier/fid; metrics are {known}")
    return value


class CadenceSettings(Strict):
    """How often something happens, in steps.

    Metrics are logged, networks evaluated, also with few samples at a `glance`, checkpoints saved, and frozen weights
    checked. `glance` is "auto" for a tenth of the run, None for none; `audit` is None where the frozen weights are not
    checked during training.
    """

    log: Count
    evaluate: Count
    glance: Annotated[Any, AfterValidator(_glance)]
    save: Count
    audit: Count | None


class KeepSettings(Strict):
    """Which checkpoints are kept: the `last` ones, and the one with the `best` value of a metric."""

    last: Count
    best: Annotated[Any, AfterValidator(_metric)]


class SweepSettings(Strict):
    """What a sweep does: a job that fails is started again up to `retries` times."""

    retries: Index


class PathSettings(Strict):
    """Folders: the user's data, the cache, the MLflow store, and the state of runs."""

    data: str
    cache: str
    mlruns: str
    state: str


class Settings(Strict):
    """The settings of `src/train.py`. `conf/config.yaml` explains each."""

    seed: Index
    steps: Count
    batch_size: Count
    latent: Latent
    deterministic: bool
    eager: bool
    packing: Count
    ema: Annotated[Any, AfterValidator(_decay)]  # None: no average
    precision: Precision
    jit: Literal["auto", "on", "off"]
    fused_steps: Annotated[Any, AfterValidator(_fused_steps)]
    gpu_memory: Count | None
    audit: Literal["error", "record", "off"]
    on_nan: Literal["stop", "skip", "continue"]
    resume: Annotated[
        str,
        Field(
            pattern=r"^(auto|never|[0-9a-f]{32}|[0-9a-f]{16}-\d+)$",
            description="auto, never, an MLflow run id, or the name of a folder in paths.state",
        ),
    ]
    cadence: CadenceSettings
    keep: KeepSettings
    sweep: SweepSettings
    paths: PathSettings


def cadence_of(settings: Settings) -> Cadence:
    """Return when a run with these settings logs, evaluates, saves and glances; by default it glances ten times."""
    steps, cadence = settings.steps, settings.cadence
    glance = max(1, steps // _GLANCES) if cadence.glance == "auto" else cadence.glance
    return Cadence(steps, cadence.log, cadence.evaluate, cadence.save, glance)


def parse_settings(values: Mapping[str, Any]) -> Settings:
    """Parse the settings of a training run.

    Raises:
        BadInput: it names each bad key, its value and what is allowed.
    """
    return validated(Settings, values)


def require_consistent(settings: Settings) -> None:
    """Raise BadInput where two settings exclude each other."""
    if settings.eager and settings.jit == "on":
        raise BadInput("jit=on: eager=true compiles nothing; choose jit=auto or jit=off, or eager=false")
    if settings.batch_size % settings.packing:
        raise BadInput(
            f"packing={settings.packing}: batch_size={settings.batch_size} must be a multiple of it, because the "
            f"discriminator judges {settings.packing} examples at once"
        )
