"""The settings of each program, as types: everything in a config beside the words of the groups."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ganfreeze.app.validation import require_values, validated
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.metrics import ranking
from ganfreeze.loop import Cadence
from ganfreeze.types import Count, Index, Precision


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


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _metric(value: Any) -> str | None:
    if value is None:
        return None
    prefix, _, metric = str(value).rpartition("/")
    if not prefix or metric not in ranking.LARGER_IS_BETTER | ranking.SMALLER_IS_BETTER:
        known = ", ".join(sorted(ranking.LARGER_IS_BETTER | ranking.SMALLER_IS_BETTER))
        raise ValueError(f"null, or a metric with its evaluator such as classifier/fid; metrics are {known}")
    return value


class CadenceSettings(_Strict):
    """How often something happens, in steps.

    Metrics are logged, networks evaluated, checkpoints saved, and frozen weights checked; `audit` is None where they
    are not checked during training.
    """

    log: Count
    evaluate: Count
    save: Count
    audit: Count | None


class KeepSettings(_Strict):
    """Which checkpoints are kept: the `last` ones, and the one with the `best` value of a metric."""

    last: Count
    best: Annotated[Any, AfterValidator(_metric)]


class SweepSettings(_Strict):
    """What a sweep does: a job that fails is started again up to `retries` times."""

    retries: Index


class PathSettings(_Strict):
    """Folders: the user's data, the cache, the MLflow store, and the state of runs."""

    data: str
    cache: str
    mlruns: str
    state: str


class Settings(_Strict):
    """The settings of `src/train.py`. `conf/config.yaml` explains each."""

    seed: Index
    steps: Count
    batch_size: Count
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
    """Return when a run with these settings logs, evaluates and saves."""
    return Cadence(settings.steps, settings.cadence.log, settings.cadence.evaluate, settings.cadence.save)


RunId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="an MLflow run id, 32 hexadecimal digits")]


class SampleSettings(_Strict):
    """The settings of `src/sample.py`."""

    run: RunId
    count: Count
    seed: Index
    output: Annotated[str, Field(pattern=r"\.(png|jpe?g|webp)$", description="a .png, .jpg, .jpeg or .webp file")]
    uri: str | None
    mlruns: str


class EvaluateSettings(_Strict):
    """The settings of `src/evaluate.py`, beside the evaluator's: it draws `samples_seeds` sets of samples."""

    run: RunId
    samples_seeds: Count


class ReproduceSettings(_Strict):
    """The settings of `src/reproduce.py`."""

    run: RunId


class ReplaySettings(_Strict):
    """The settings of `src/replay.py`."""

    run: Annotated[
        str,
        Field(
            pattern=r"^([0-9a-f]{32}|[0-9a-f]{16}-\d+)$",
            description="an MLflow run id, or the name of a folder in `state`",
        ),
    ]
    step: Count
    state: str


class SyncSettings(_Strict):
    """The settings of `src/sync.py`."""

    state: str
    uri: str | None


class SweepsSettings(_Strict):
    """The settings of `src/sweeps.py`."""

    state: str
    sweep: str | None


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


def parse_sample_settings(values: Mapping[str, Any]) -> SampleSettings:
    """Parse the settings of `src/sample.py`. Raises BadInput as `parse_settings` does."""
    require_values(values)
    return validated(SampleSettings, values)


def parse_evaluate_settings(values: Mapping[str, Any]) -> EvaluateSettings:
    """Parse the settings of `src/evaluate.py`. Raises BadInput as `parse_settings` does."""
    require_values(values)
    return validated(EvaluateSettings, values)


def parse_sync_settings(values: Mapping[str, Any]) -> SyncSettings:
    """Parse the settings of `src/sync.py`. Raises BadInput as `parse_settings` does."""
    require_values(values)
    return validated(SyncSettings, values)


def parse_sweeps_settings(values: Mapping[str, Any]) -> SweepsSettings:
    """Parse the settings of `src/sweeps.py`. Raises BadInput as `parse_settings` does."""
    require_values(values)
    return validated(SweepsSettings, values)


def parse_replay_settings(values: Mapping[str, Any]) -> ReplaySettings:
    """Parse the settings of `src/replay.py`. Raises BadInput as `parse_settings` does."""
    require_values(values)
    return validated(ReplaySettings, values)


def parse_reproduce_settings(values: Mapping[str, Any]) -> ReproduceSettings:
    """Parse the settings of `src/reproduce.py`. Raises BadInput as `parse_settings` does."""
    require_values(values)
    return validated(ReproduceSettings, values)
