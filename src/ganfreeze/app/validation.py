"""Check values against types and ranges, and tell the user in one sentence what is wrong.

What is allowed is written once, where it is used: in the annotations of each part's constructor. Everything here runs
before TensorFlow is imported.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from ganfreeze.errors import BadInput
from ganfreeze.types import Choices

_MISSING = "???"  # OmegaConf's mark for a value without a default

Schema = TypeVar("Schema", bound=BaseModel)


def require_values(values: Mapping[str, Any], prefix: str = "") -> None:
    """Raise BadInput that names the first value without a default which was not set."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            require_values(value, f"{prefix}{key}.")
        elif value == _MISSING:
            raise BadInput(f"{prefix}{key} has no default: set {prefix}{key}=...")


def parse_options(
    group: str, target: Callable[..., Any], options: Mapping[str, Any], *, given_by_app: Collection[str] = ()
) -> Mapping[str, Any]:
    """Check the options of a part against the signature of `target`, and fill in its defaults.

    `given_by_app` names the arguments that the app passes itself.

    Raises:
        BadInput: it names each bad key, its value and what is allowed.
    """
    fields: dict[str, Any] = {
        name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(target).parameters.items()
        if name not in given_by_app
    }
    strict = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
    return dict(validated(create_model(group, __config__=strict, **fields), options, prefix=f"{group}."))


def refusal(part: str, supports: Choices, conflicts: Sequence[Choices], values: Mapping[str, Any]) -> str:
    """Say why a part, called "group=word", refuses these values; "" where it accepts them.

    It refuses a value that `supports` does not list, and the values of one of the `conflicts` if all of them come
    together. A key that only some parts have, such as an option of an architecture, may be absent.
    """
    for key, allowed in supports.items():
        if key in values and values[key] not in allowed:
            group = key.partition(".")[0]
            origin = f" (of {group}={values[group]})" if key != group and group in values else ""
            accepted = "; ".join(f"{name}={' or '.join(map(_shown, choices))}" for name, choices in supports.items())
            return f"{part} does not go with {key}={_shown(values[key])}{origin}; it goes with {accepted}"
    for conflict in conflicts:
        if all(values.get(key) in choices for key, choices in conflict.items()):
            together = ", ".join(f"{key}={_shown(values[key])}" for key in conflict)
            return f"{part} does not go with {together} together; change one of them"
    return ""


def validated(model: type[Schema], values: Mapping[str, Any], *, prefix: str = "") -> Schema:
    """Make a `model` of these values. Raises BadInput with one sentence for each bad value."""
    try:
        return model(**values)
    except ValidationError as error:
        raise BadInput("\n".join(_sentence(model, prefix, problem) for problem in error.errors())) from None


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


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
        case "string_pattern_mismatch" | "string_type" | "value_error" if described := _description(
            model, problem["loc"]
        ):
            return f"{key}={value}: must be {described}"
    allowed = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("a valid ")
    return f"{key}={value}: must be {allowed}"


def _description(model: type[BaseModel], place: Sequence[str | int]) -> str | None:
    """Return the description of the field at this place, None if it has none."""
    name, *inner = place
    field = model.model_fields[str(name)]
    if inner and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        return _description(field.annotation, inner)
    return field.description
