"""The settings of the programs in `src/`, as types, and what each program takes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

from pydantic import BaseModel, Field

from ganfreeze.app.settings import Settings, Strict
from ganfreeze.app.validation import require_values, validated
from ganfreeze.types import GROUPS, Address, Count, Folder, Index, Rate

Program = TypeVar("Program", bound=Strict)

RunId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="an MLflow run id, 32 hexadecimal digits")]
Words = Annotated[Any, Field(description="a list of words, in brackets")]
WordsOrAll = Annotated[Any, Field(description="a list of words, in brackets, or null")]

FREE = ("evaluator", "tracker", "paths", "dataset.path")  # of a recorded run; all else is the run's own
_VARIANT = (*GROUPS, "experiment")
_EVERYTHING = (*_VARIANT, *Settings.model_fields)


class ProgramSettings(Strict):
    """The settings that only this program has. Of `src/train.py` it takes the groups and settings `takes` too."""

    takes: ClassVar[Sequence[str]] = ()


class TrainSettings(ProgramSettings, Settings):
    """The settings of `src/train.py`."""

    takes: ClassVar[Sequence[str]] = _VARIANT


class SampleSettings(ProgramSettings):
    """The settings of `src/sample.py`.

    - `run`: the run whose generator draws the samples.
    - `count`: how many samples are drawn.
    - `seed`: the number that the latent vectors are drawn from; the pictures in the run itself use the run's seed.
    - `output`: the picture.
    - `uri`: a tracking server, or a database; null: the store in `mlruns`.
    - `mlruns`: the MLflow store.
    """

    run: RunId
    count: Count
    seed: Index
    output: Annotated[str, Field(pattern=r"\.(png|jpe?g|webp)$", description="a .png, .jpg, .jpeg or .webp file")]
    uri: Address | None
    mlruns: Folder


class EvaluateSettings(ProgramSettings):
    """The settings of `src/evaluate.py`, beside the evaluator's.

    - `run`: the run that is evaluated; its variant is read from its record.
    - `samples_seeds`: how many sets of samples are drawn; their seeds are `evaluator.seed` and the next ones.
    """

    takes: ClassVar[Sequence[str]] = FREE
    run: RunId
    samples_seeds: Count


class ReproduceSettings(ProgramSettings):
    """The settings of `src/reproduce.py`.

    - `run`: the run that is run again; its variant is read from its record.
    """

    takes: ClassVar[Sequence[str]] = FREE
    run: RunId


class ReplaySettings(ProgramSettings):
    """The settings of `src/replay.py`.

    - `run`: the run whose step is run again.
    - `step`: the number of the step; the first is 1.
    - `state`: the folder with the runs' own folders.
    """

    run: Annotated[
        str,
        Field(
            pattern=r"^([0-9a-f]{32}|[0-9a-f]{16}-\d+)$",
            description="an MLflow run id, or the name of a folder in `state`",
        ),
    ]
    step: Count
    state: Folder


class ReportSettings(ProgramSettings):
    """The settings of `src/report.py`.

    - `sweep`: the sweep that is reported on. Choose one of `sweep`, `published` and `runs`.
    - `published`: the published experiment that is reported on; `experiment=NAME` is a shorter way to set it.
    - `runs`: the runs that are reported on, with commas.
    - `figure`: the metric that variants are sorted by, such as classifier/fid; null: the first FID.
    - `baseline`: the variant that the others are compared with; null: the first one with a finished run.
    - `margin`: the share of the baseline's mean within which means are equivalent.
    - `check`: whether the report fails where results leave the experiment's expected.csv.
    - `tex`: whether the table of a paper is written too, as LaTeX and CSV; `--tex` is a shorter way to set it.
    - `publish`: whether the report is kept in MLflow, on a run of its own.
    - `output`: where reports are written.
    - `uri`: a tracking server, or a database; null: the store in `mlruns`.
    - `mlruns`: the MLflow store.
    """

    sweep: Annotated[str | None, Field(pattern=r"^[\w-]+$", description="null, or a sweep, its last digits, or last")]
    published: Annotated[
        str | None, Field(pattern=r"^\w+$", description="null, or the name of a file in conf/experiment")
    ]
    runs: list[Annotated[str, Field(description="MLflow run ids")]] | None
    figure: str | None
    baseline: str | None
    margin: Annotated[float, Field(gt=0, le=1)]
    check: bool
    tex: bool
    publish: bool
    output: Folder
    uri: Address | None
    mlruns: Folder


class SyncSettings(ProgramSettings):
    """The settings of `src/sync.py`.

    - `state`: the folder with the runs' own folders.
    - `uri`: a tracking server, or a database; null: the one that each run was to be recorded in.
    """

    state: Folder
    uri: Address | None


class SweepsSettings(ProgramSettings):
    """The settings of `src/sweeps.py`.

    - `state`: the folder with the runs' own folders.
    - `sweep`: the name of a sweep, to list its runs; null: all sweeps are listed.
    """

    state: Folder
    sweep: str | None


class EquivalenceSettings(ProgramSettings):
    """The settings of `src/equivalence.py`, beside those of the variants.

    - `a`: a variant in a few words: tape; keras3 tape; or in quotes with options, "keras3 tape optimizer=sgd".
    - `b`: a variant or a list of variants; or all: every other strategy under every Keras.
    - `precisions`: the precisions in which they are compared; the finest one decides.
    - `tolerance`: the largest relative difference that counts as rounding; null: 1e-4 in float32, 1e-6 in float64.
    - `steps`: how many training steps are compared.
    - `output`: where tables and plots are written.
    """

    takes: ClassVar[Sequence[str]] = _EVERYTHING
    a: Annotated[Any, Field(description="a variant")]
    b: Annotated[Any, Field(description="a variant, a list of variants, or all")]
    precisions: Words
    tolerance: Rate | None
    steps: Count
    output: Folder


class FreezeMatrixSettings(ProgramSettings):
    """The settings of `src/freeze_matrix.py`, beside those of the variants.

    - `strategies`: the mechanisms that are measured; null: all.
    - `model`: a GAN of plain Keras to audit instead of the strategies, or a list of such GANs.
    - `keras_versions`: the Keras that they run under.
    - `modes`: how functions run: graph, eager, or both.
    - `output`: where tables are written.
    """

    takes: ClassVar[Sequence[str]] = _EVERYTHING
    strategies: WordsOrAll
    model: Annotated[Any, Field(description="module:function, file.py:function, file.py, a list of such, or null")]
    keras_versions: Words
    modes: Words
    output: Folder


class DynamicsSettings(ProgramSettings):
    """The settings of `src/dynamics.py`, beside those of the variants.

    - `strategies`: the mechanisms that are measured; null: all, which takes a few minutes.
    - `keras_versions`: the Keras that they run under.
    - `quantities`: what is measured: spectral_radius, that of one step; norm_after_500, after 500 steps; or both.
    - `anchors`: the published values that are compared with, as CSV. `experiments/...` is found in any working folder.
    - `output`: where tables are written.
    """

    takes: ClassVar[Sequence[str]] = _EVERYTHING
    strategies: WordsOrAll
    keras_versions: Words
    quantities: Words
    anchors: Annotated[str, Field(description="a .csv file")]
    output: Folder


PROGRAMS: Mapping[str, type[ProgramSettings]] = {
    "train": TrainSettings,
    "report": ReportSettings,
    "freeze_matrix": FreezeMatrixSettings,
    "equivalence": EquivalenceSettings,
    "dynamics": DynamicsSettings,
    "evaluate": EvaluateSettings,
    "sample": SampleSettings,
    "reproduce": ReproduceSettings,
    "replay": ReplaySettings,
    "sweeps": SweepsSettings,
    "sync": SyncSettings,
}


class Keys(NamedTuple):
    """Keys of a command line: groups, `experiment` among them, and settings, dotted."""

    groups: Sequence[str]
    settings: Sequence[str]


def taken_keys(program: str) -> Keys:
    """Return what the command line of a program may set, its own settings first."""
    model = PROGRAMS[program]
    own = list(_dotted(model))
    shared = [key for key in _dotted(Settings) if key.partition(".")[0] in model.takes and key not in own]
    return Keys([key for key in model.takes if key in _VARIANT], own + shared)


def composed_keys(program: str) -> Keys:
    """Return what the config of a program has: all of a variant, if it takes something of one."""
    taken = taken_keys(program)
    return Keys(_VARIANT, [*taken.settings, *_dotted(Settings)]) if taken.groups else taken


def _dotted(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _dotted(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def parse_program(program: type[Program], values: Mapping[str, Any]) -> Program:
    """Parse the settings of a program.

    Raises:
        BadInput: it names each bad key, its value and what is allowed.
    """
    require_values(values)
    return validated(program, values)
