"""The harness from Python: what `import ganfreeze` offers.

Each function does what a program does, by the same code. Overrides are those of the command line, "strategy=tape". Bad
input raises BadInput, with one sentence; nothing here ends the process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ganfreeze.app import equivalence, own_networks, plain_models, recorded_runs, recording
from ganfreeze.app import evaluate as evaluate_program
from ganfreeze.app import report as report_program
from ganfreeze.app import sample as sample_program
from ganfreeze.app.command_line import report_arguments
from ganfreeze.app.compose import compose_program, compose_run, configs, without_keys, without_warnings
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.plain_models import PlainAudit
from ganfreeze.app.process import process_restored
from ganfreeze.app.program_settings import ReportSettings, SampleSettings, parse_program
from ganfreeze.app.report import Written
from ganfreeze.data.dataset.base import Examples
from ganfreeze.errors import BadInput
from ganfreeze.errors import Diverged as Diverged
from ganfreeze.evaluation.metrics.features import density_coverage as density_coverage
from ganfreeze.evaluation.metrics.features import frechet_distance as frechet_distance
from ganfreeze.evaluation.metrics.features import inception_score as inception_score
from ganfreeze.evaluation.metrics.features import kernel_distance as kernel_distance
from ganfreeze.evaluation.metrics.features import precision_recall as precision_recall
from ganfreeze.events import Evaluated
from ganfreeze.overrides import quoted
from ganfreeze.proof import certificate
from ganfreeze.proof.certificate import Certificate
from ganfreeze.record import delivered, store_address
from ganfreeze.record.pictures import picture as picture
from ganfreeze.types import Model


@dataclass(frozen=True)
class Run:
    """A run that `train` recorded: MLflow's id ("" without MLflow), its name, its folder, and what came out.

    `audit` is the verdict on what each phase moved, `metrics` the last value of each metric by its name in MLflow, and
    `store` the address of the MLflow store ("" without MLflow).
    """

    id: str
    name: str
    folder: Path
    audit: str
    metrics: Mapping[str, float] = field(repr=False)
    store: str
    _variant: Variant = field(repr=False)

    @property
    def generator(self) -> Model:
        """A new Keras model with the final weights: from latent vectors (n, latent_dim) to examples in [-1, 1]."""
        with process_restored(self._variant.load_keras()):
            return recorded_runs.restored_networks(self._variant, self.folder / "weights")[1].generator


class Equivalence(NamedTuple):
    """Whether two variants are one algorithm: the verdict, and all differences in each precision."""

    verdict: str
    certificates: Sequence[Certificate]


def train(*overrides: str, generator: Model | None = None, discriminator: Model | None = None) -> Run:
    """Train a variant as `src/train.py` does, record it, and return the run.

    With a `generator` and a `discriminator` it trains copies of these two networks, under any strategy. They are models
    of Keras 2 or 3, Sequential or functional: from latent vectors (n, latent_dim) to examples, images in [-1, 1], and
    from examples to logits (n, 1). The models stay as they are; copies of them begin with their weights.

    Raises:
        BadInput: an override, a network or a data set is wrong, two choices do not go together, or the audit failed.
        Diverged: a loss or a sample became NaN or infinite.
    """
    with configs():
        variant, name = compose_run(*overrides, *_architecture(generator, discriminator))
        if variant.settings.seeds_at_once > 1:
            raise BadInput("seeds_at_once: ganfreeze.train trains one seed; src/train.py trains several")
        if own := _own_networks(variant, generator, discriminator):
            variant, _ = compose_run(*_not_of_networks(overrides, own), *own)
        command = f"ganfreeze.train({', '.join(map(repr, overrides))}{', generator, discriminator' * bool(own)})"
        with process_restored(variant.load_keras()):
            tags = {"ganfreeze.command": command, "mlflow.source.name": "ganfreeze.train"}
            recorded = recording.record(variant, name, tags=tags)
    store = _store_of(variant)
    identity = delivered.read(recorded.folder, store).run if store else ""
    return Run(identity, name, recorded.folder, recorded.audit, recorded.metrics, store, variant)


def audit(gan: object) -> PlainAudit:
    """Audit a GAN of plain Keras as it stands: which variables move in which phase. It trains a few steps.

    `gan` is (generator, discriminator, combined, train_discriminator, train_generator); or a compiled keras.Model with
    its own `train_step` and the attributes `generator` and `discriminator`; or such a model and a tf.data.Dataset.
    docs/freezing.md explains both, and the verdicts.

    Raises:
        BadInput: it is none of these, or its own code raised an error.
    """
    with without_warnings():
        return plain_models.audit(gan)


def certify(
    a: str, b: str, *overrides: str, generator: Model | None = None, discriminator: Model | None = None
) -> Equivalence:
    """Train two variants step by step on the same batches and noise, and return whether they are one algorithm.

    `a` and `b` are as for `src/equivalence.py`: "tape", "keras3 tape", or with options, "tape update.judge=inference".
    Both have the `overrides`. Networks are as for `train`, and are then compared in single precision only.

    Raises:
        BadInput: a variant is wrong, or the two cannot be compared.
    """
    if b == "all":
        raise BadInput("b=all: name one variant; python src/equivalence.py compares with all")
    sides = [quoted("a", a), quoted("b", b)]
    with configs():
        common = without_keys(overrides, equivalence.OWN)
        variant, _ = compose_run(*common, *_architecture(generator, discriminator))
        own = _own_networks(variant, generator, discriminator)
        single = ["precisions=[float32]"] if own else []
        values = compose_program("equivalence", *sides, *single, *_not_of_networks(overrides, own), *own)
        with process_restored(variant.load_keras()):
            [certificates] = equivalence.certify(values, [*_not_of_networks(common, own), *own])
    return Equivalence(certificate.verdict(certificates), certificates)


def evaluate(run: Run | str, *overrides: str) -> list[Evaluated]:
    """Evaluate the generator of a run again as `src/evaluate.py` does: the metrics by seed, added to the run.

    The overrides choose the evaluator, and how many sets of samples are drawn: "evaluator.samples=10000",
    "samples_seeds=5". `run` is one of `train`'s, or the id of a run in the store.

    Raises:
        BadInput: there is no such run, or the evaluator does not go with its data.
    """
    own = _named(run, "tracker.uri")
    with configs():
        every = [*overrides, *own]
        values = compose_program("evaluate", *every)
        return [each for _, each in evaluate_program.evaluations(values, without_keys(every, evaluate_program.OWN))]


def sample(run: Run | str, *, count: int = 64, seed: int = 0) -> Examples:
    """Return samples of a run as `src/sample.py` draws them: uint8 images (count, h, w, channels), or points.

    Raises:
        BadInput: there is no such run, or its samples are not finite.
    """
    own = _named(run, "uri")
    with configs():
        values = compose_program("sample", f"count={count}", f"seed={seed}", *own)
        return sample_program.draw(parse_program(SampleSettings, values))


def report(*what: Run | str) -> Written:
    """Write a report on runs as `src/report.py` does, print its table, and return both.

    `what` are runs of `train`, or overrides: "sweep=last", "margin=0.1".

    Raises:
        BadInput: there are no such runs.
    """
    runs = [each for each in what if isinstance(each, Run)]
    overrides = [each for each in what if isinstance(each, str)]
    if runs:
        overrides += [f"runs={','.join(map(_id, runs))}", quoted("uri", runs[0].store)]
        if len({run.store for run in runs}) > 1:
            raise BadInput("the runs are in several MLflow stores; a report is on the runs of one")
    with configs():
        values = compose_program("report", *report_arguments(overrides))
        return report_program.write(parse_program(ReportSettings, values))


def _named(run: Run | str, key: str) -> list[str]:
    """Return the overrides that name a run, and its store by the program's `key`."""
    return [f"run={_id(run)}", quoted(key, run.store)] if isinstance(run, Run) else [f"run={run}"]


def _id(run: Run) -> str:
    if not run.id:
        raise BadInput(f"{run.name}: is not in MLflow: its tracker was none, or its records have not arrived yet")
    return run.id


def _architecture(generator: Model | None, discriminator: Model | None) -> list[str]:
    if (generator is None) != (discriminator is None):
        raise BadInput("generator and discriminator: give both, or neither")
    return [] if generator is None else ["architecture=saved"]


def _own_networks(variant: Variant, generator: Model | None, discriminator: Model | None) -> list[str]:
    """Return the overrides of one's own networks, saved where the runs of this variant have their folders."""
    folder = Path(variant.settings.paths.state) / "networks"
    return [] if generator is None else own_networks.save(generator, discriminator, folder)


def _not_of_networks(overrides: Sequence[str], own: Sequence[str]) -> list[str]:
    """Return the overrides that the networks leave open. Raises BadInput for another architecture or Keras."""
    given = {key: value for key, _, value in (override.partition("=") for override in own)}
    for override in overrides:
        key, _, value = override.partition("=")
        if key in given and value != given[key]:
            raise BadInput(f"{override}: your own networks are {key}={given[key]}")
    return without_keys(overrides, tuple(given))


def _store_of(variant: Variant) -> str:
    if "tracker.store" not in variant.values:
        return ""
    return store_address.tracking_uri(variant.values["tracker.uri"], variant.values["tracker.store"])
