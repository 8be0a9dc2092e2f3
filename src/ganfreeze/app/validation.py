"""Is every value of a config of the right type and in range? Asked before TensorFlow is imported.

What is allowed is written once, where it is used: in the annotations of each part's constructor.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from ganfreeze.errors import BadInput, Refused
from ganfreeze.types import Choices, Count, Index, Precision

_MISSING = "???"  # what OmegaConf writes for a value that has to be given


def _decay(value: Any) -> float | None:
    if value == "none":
        return None
    if not isinstance(value, float) or not 0 < value < 1:
        raise ValueError("none, or a number between 0 and 1 such as 0.999")
    return value


def _fused(value: Any) -> int | Literal["auto"]:
    if value != "auto" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError("auto, or a number of steps of at least 1")
    return value


class CadenceSettings(BaseModel):
    """How often, in steps, scalars are logged, networks evaluated and frozen weights looked after (None: never)."""

    model_config = ConfigDict(extra="forbid", strict=True)
    log: Count
    evaluate: Count
    audit: Count | None


class PathSettings(BaseModel):
    """Folders: the user's data, what is made once and kept, and the MLflow store."""

    model_config = ConfigDict(extra="forbid", strict=True)
    data: str
    cache: str
    mlruns: str


class Settings(BaseModel):
    """What a config says beside the words."""

    model_config = ConfigDict(extra="forbid", strict=True)
    seed: Index
    steps: Count
    batch_size: Count
    deterministic: bool
    eager: bool
    packing: Count
    ema: Annotated[Any, AfterValidator(_decay)]  # None: no average
    precision: Precision
    jit: Literal["auto", "on", "off"]
    fused_steps: Annotated[Any, AfterValidator(_fused)]
    gpu_memory: Count | None
    audit: Literal["error", "record", "off"]
    cadence: CadenceSettings
    paths: PathSettings


RunId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="an MLflow run id, 32 hexadecimal digits")]


class SamplingSettings(BaseModel):
    """What `src/sample.py` is asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)
    run: RunId
    count: Count
    seed: Index
    output: Annotated[str, Field(pattern=r"\.(png|jpe?g|webp)$", description="a .png, .jpg, .jpeg or .webp file")]
    uri: str | None
    mlruns: str


class EvaluationSettings(BaseModel):
    """What `src/evaluate.py` is asked for, beside an evaluator: `samples_seeds` sets of samples of a run's."""

    model_config = ConfigDict(extra="forbid", strict=True)
    run: RunId
    samples_seeds: Count


def check_evaluation(values: Mapping[str, Any]) -> EvaluationSettings:
    """The settings of `src/evaluate.py`, typed. Raises BadInput."""
    check_given(values)
    return _validated(EvaluationSettings, values, prefix="")  # pyright: ignore[reportReturnType]


def check_sampling(values: Mapping[str, Any]) -> SamplingSettings:
    """The settings of `src/sample.py`, typed. Raises BadInput."""
    check_given(values)
    return _validated(SamplingSettings, values, prefix="")  # pyright: ignore[reportReturnType]


def check_given(values: Mapping[str, Any], prefix: str = "") -> None:
    """Raise BadInput that names the first value which has no default and was not given."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            check_given(value, f"{prefix}{key}.")
        elif value == _MISSING:
            raise BadInput(f"{prefix}{key} has no default: set {prefix}{key}=...")


def check_settings(values: Mapping[str, Any]) -> Settings:
    """The settings, typed. Raises BadInput that names each key, its value and what is allowed."""
    return _validated(Settings, values, prefix="")  # pyright: ignore[reportReturnType]


def check_options(
    group: str, target: Callable[..., Any], options: Mapping[str, Any], given: Collection[str]
) -> Mapping[str, Any]:
    """The options of a part, held against the signature of what they are for, with its defaults where one was left out;
    `given` are arguments of the app's own.

    Raises:
        BadInput: names each key, its value and what is allowed.
    """
    parameters = {
        name: parameter for name, parameter in inspect.signature(target).parameters.items() if name not in given
    }
    fields: dict[str, Any] = {
        name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in parameters.items()
    }
    strict = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
    return dict(_validated(create_model(group, __config__=strict, **fields), options, prefix=f"{group}."))


def check_limits(part: str, limits: Choices, refuses: Choices, chosen: Mapping[str, Any]) -> None:
    """Hold what else was chosen, by flat keys, against what a part, called "group=word", can do, and against what it
    refuses where all of that comes together.

    Raises:
        Refused: names the part, the choice that it cannot honour, and all that it can.
    """
    for key, allowed in limits.items():
        if chosen[key] not in allowed:
            origin = key.partition(".")[0]
            word = f" (of {origin}={chosen[origin]})" if key != origin and origin in chosen else ""
            can = "; ".join(f"{each}={' or '.join(map(_shown, values))}" for each, values in limits.items())
            raise Refused(f"{part} does not go with {key}={_shown(chosen[key])}{word}; it goes with {can}")
    if refuses and all(chosen[key] in values for key, values in refuses.items()):
        together = ", ".join(f"{key}={_shown(chosen[key])}" for key in refuses)
        raise Refused(f"{part} does not go with {together} together; change one of them")


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _validated(model: type[BaseModel], values: Mapping[str, Any], *, prefix: str) -> BaseModel:
    try:
        return model(**values)
    except ValidationError as error:
        raise BadInput("\n".join(_sentence(model, prefix, problem) for problem in error.errors())) from None


def _sentence(model: type[BaseModel], prefix: str, problem: Any) -> str:
    key, value = prefix + ".".join(str(part) for part in problem["loc"]), problem["input"]
    match problem["type"]:
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            known = f"there are these: {', '.join(model.model_fields)}" if model.model_fields else "there is none"
            return f"{key}: no such option; {known}"
        case "sequence_str" | "is_instance_of":
            return f"{key}={value}: must be a list, in brackets"
        case "model_type":
            return f"{key}={value}: must be a group of options"
        case "string_pattern_mismatch" | "string_type" if described := model.model_fields[
            problem["loc"][0]
        ].description:
            return f"{key}={value}: must be {described}"
    said = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("a valid ")
    return f"{key}={value}: must be {said}"
