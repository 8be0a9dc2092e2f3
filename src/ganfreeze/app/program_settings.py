"""The settings of the programs beside `src/train.py`, as types."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field

from ganfreeze.app.settings import Strict
from ganfreeze.app.validation import require_values, validated
from ganfreeze.types import Count, Index

Program = TypeVar("Program", bound=Strict)

RunId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="an MLflow run id, 32 hexadecimal digits")]


class SampleSettings(Strict):
    """The settings of `src/sample.py`."""

    run: RunId
    count: Count
    seed: Index
    output: Annotated[str, Field(pattern=r"\.(png|jpe?g|webp)$", description="a .png, .jpg, .jpeg or .webp file")]
    uri: str | None
    mlruns: str


class EvaluateSettings(Strict):
    """The settings of `src/evaluate.py`, beside the evaluator's: it draws `samples_seeds` sets of samples."""

    run: RunId
    samples_seeds: Count


class ReproduceSettings(Strict):
    """The settings of `src/reproduce.py`."""

    run: RunId


class ReplaySettings(Strict):
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


class ReportSettings(Strict):
    """The settings of `src/report.py`. `conf/report.yaml` explains each."""

    sweep: Annotated[str, Field(pattern=r"^[\w-]+$", description="a sweep, its last digits, or last")] | None
    published: Annotated[str, Field(pattern=r"^\w+$", description="the name of a file in conf/experiment")] | None
    runs: list[str] | None
    figure: str | None
    baseline: str | None
    margin: Annotated[float, Field(gt=0, le=1)]
    check: bool
    tex: bool
    publish: bool
    output: str
    uri: str | None
    mlruns: str


class SyncSettings(Strict):
    """The settings of `src/sync.py`."""

    state: str
    uri: str | None


class SweepsSettings(Strict):
    """The settings of `src/sweeps.py`."""

    state: str
    sweep: str | None


def parse_program(program: type[Program], values: Mapping[str, Any]) -> Program:
    """Parse the settings of a program.

    Raises:
        BadInput: it names each bad key, its value and what is allowed.
    """
    require_values(values)
    return validated(program, values)
