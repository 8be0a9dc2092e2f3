"""The settings of a training run, as types: everything in its config beside the words of the groups."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ganfreeze.app.validation import validated
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.metrics import ranking
from ganfreeze.loop import Cadence
from ganfreeze.types import Count, Folder, Index, Latent, Precision

_GLANCES = 10
_METRICS = ", ".join(sorted(ranking.LARGER_IS_BETTER | ranking.SMALLER_IS_BETTER))


def _decay(value: Any) -> float | None:
    if value == "none":
        return None
    if not isinstance(value, float) or not 0 < value < 1:
        raise ValueError
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _fused_steps(value: Any) -> int | Literal["auto"]:
    if value != "auto" and not _is_count(value):
        raise ValueError
    return value


def _glance(value: Any) -> int | Literal["auto"] | None:
    if value not in ("auto", None) and not _is_count(value):
        raise ValueError
    return value


def _metric(value: Any) -> str | None:
    if value is None:
        return None
    prefix, _, metric = str(value).rpartition("/")
    if not prefix or metric not in ranking.LARGER_IS_BETTER | ranking.SMALLER_IS_BETTER:
        raise ValueError
    return value


class Strict(BaseModel):
    """Settings of exact types, with no others beside them.

    The docstring of each model explains its fields, and `--help` prints that. What a validator here allows is said by
    the description of its field.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


class CadenceSettings(Strict):
    """How often something happens, in steps.

    - `log`: how many steps lie between two records of the losses; a record has their means.
    - `evaluate`: how many steps lie between two evaluations; the last step is always evaluated.
    - `glance`: how many steps lie between two light evaluations, of 128 samples; "auto" makes ten in a run, null none.
    - `save`: how many steps lie between two checkpoints.
    - `audit`: how many steps lie between two checks that the frozen weights did not move; null: none during training.
    """

    log: Count
    evaluate: Count
    glance: Annotated[Any, AfterValidator(_glance), Field(description="auto, null, or a number of steps of at least 1")]
    save: Count
    audit: Count | None


class KeepSettings(Strict):
    """Which checkpoints are kept.

    - `last`: how many of the latest checkpoints are kept.
    - `best`: a metric, with its evaluator; the weights and the checkpoint with its best value are kept too.
    """

    last: Count
    best: Annotated[
        Any,
        AfterValidator(_metric),
        Field(description=f"null, or a metric with its evaluator such as classifier/fid; metrics are {_METRICS}"),
    ]


class SweepSettings(Strict):
    """What a sweep does.

    - `retries`: how often a run of a sweep is started again if it fails.
    """

    retries: Index


class PathSettings(Strict):
    """Folders.

    - `data`: where your files of data sets lie; nothing is written to it.
    - `cache`: where downloads, prepared images, classifiers and features are kept.
    - `mlruns`: the MLflow store.
    - `state`: the runs' own folders: checkpoints and journals, from which an interrupted run goes on.
    """

    data: Folder
    cache: Folder
    mlruns: Folder
    state: Folder


class Settings(Strict):
    """The settings of `src/train.py`.

    - `seed`: the number that weights, batches and noise are drawn from.
    - `seeds_at_once`: how many seeds are trained in one program, from `seed` on; each is a run. For strategy=tape under
      Keras 3.
    - `steps`: how many training steps a run has.
    - `batch_size`: how many examples a batch has; a multiple of `packing`.
    - `devices`: how many devices share each batch: GPUs, or logical devices of the processor where there is no GPU.
    - `latent`: what latent vectors are drawn from: N(0, I), or U(-1, 1) in each dimension.
    - `deterministic`: whether a repeated run gives the same bits; with false, some kernels are faster.
    - `eager`: whether every function runs eagerly, which is slow; Keras 3 then reads `trainable` at every batch.
    - `packing`: how many examples the discriminator judges at once, as a pack (PacGAN). `batch_size` counts examples,
      PacGAN's counts packs.
    - `ema`: the decay of a moving average of the generator's weights, which is evaluated too; "none": no average.
    - `precision`: the floating-point type; float64 tells rounding from a real difference.
    - `jit`: whether XLA compiles the steps; "auto" measures both, and takes the faster one.
    - `fused_steps`: the most steps that run in one call; "auto" is at most the steps between two logs.
    - `gpu_memory`: the memory that is taken of a GPU, in MB; null: as much as needed.
    - `audit`: what happens to a strategy that does not freeze what it should: "error" stops the run before its first
      step, "record" trains all the same, "off" does not check.
    - `on_nan`: what happens where a loss is NaN or infinite: "stop" ends the run, "skip" leaves the step out,
      "continue" goes on.
    - `resume`: "auto" goes on with an interrupted run of the same config, "never" begins anew, and the id of a run goes
      on with that run, whose `steps` may be more now.
    """

    seed: Index
    seeds_at_once: Count
    steps: Count
    batch_size: Count
    devices: Count
    latent: Latent
    deterministic: bool
    eager: bool
    packing: Count
    ema: Annotated[
        Any, AfterValidator(_decay), Field(description="none, or a number between 0 and 1 such as 0.999")
    ]  # None: no average
    precision: Precision
    jit: Literal["auto", "on", "off"]
    fused_steps: Annotated[
        Any, AfterValidator(_fused_steps), Field(description="auto, or a number of steps of at least 1")
    ]
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
    if settings.batch_size % (settings.devices * settings.packing):
        factor = "it" if settings.packing == 1 else f"devices times packing={settings.packing}"
        raise BadInput(
            f"devices={settings.devices}: batch_size={settings.batch_size} must be a multiple of {factor}, because "
            "each device takes an equal share of the batch"
        )
    if settings.devices > 1 and settings.jit == "on":
        raise BadInput(f"jit=on: XLA compiles for one device; devices={settings.devices} needs jit=auto or jit=off")
