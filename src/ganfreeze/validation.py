"""Is every value of a config of the right type and in range? Asked before TensorFlow is imported.

What is allowed is written once, where it is used: in the annotations of each part's constructor.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ganfreeze.types import BadInput, Count, Index

_MISSING = "???"  # what OmegaConf writes for a value that has to be given


class CadenceSettings(BaseModel):
    """How often, in steps, scalars are logged and networks evaluated."""

    model_config = ConfigDict(extra="forbid", strict=True)
    log: Count
    evaluate: Count


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
    cadence: CadenceSettings
    paths: PathSettings


class SamplingSettings(BaseModel):
    """What `src/sample.py` is asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)
    run: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    count: Count
    seed: Index
    output: Annotated[str, Field(pattern=r"\.(png|jpe?g|webp)$")]
    uri: str | None
    mlruns: str


def check_sampling(values: Mapping[str, Any]) -> SamplingSettings:
    """The settings of `src/sample.py`, typed. Raises BadInput."""
    return _validated(SamplingSettings, values, prefix="")  # pyright: ignore[reportReturnType]


def check_settings(values: Mapping[str, Any]) -> Settings:
    """The settings, typed. Raises BadInput that names each key, its value and what is allowed."""
    return _validated(Settings, values, prefix="")  # pyright: ignore[reportReturnType]


def check_options(group: str, target: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Hold the options of a part against the signature of what they are for.

    Raises:
        BadInput: names each key, its value and what is allowed.
    """
    parameters = inspect.signature(target).parameters
    if unknown := options.keys() - parameters.keys():
        known = ", ".join(parameters) or "none"
        raise BadInput(f"{group}.{sorted(unknown)[0]}: no such option; {group} has these: {known}")
    fields: dict[str, Any] = {
        name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in parameters.items()
        if name in options
    }
    strict = ConfigDict(strict=True, arbitrary_types_allowed=True)
    _validated(create_model(group, __config__=strict, **fields), options, prefix=f"{group}.")


def _validated(model: type[BaseModel], values: Mapping[str, Any], *, prefix: str) -> BaseModel:
    if missing := [key for key, value in values.items() if value == _MISSING]:
        raise BadInput("\n".join(f"{prefix}{key} has no default: set {prefix}{key}=..." for key in missing))
    try:
        return model(**values)
    except ValidationError as error:
        raise BadInput("\n".join(_sentence(prefix, problem) for problem in error.errors())) from None


def _sentence(prefix: str, problem: Any) -> str:
    key = prefix + ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{key} is missing"
    allowed = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    allowed = allowed.replace("String should match pattern", "text that matches")
    return f"{key}={problem['input']}: must be {allowed}"
