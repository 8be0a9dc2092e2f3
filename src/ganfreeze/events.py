"""The events of a run, as frozen records. The loop and the programs yield them; trackers write them down.

A `step` is always the number of training steps that the networks have taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.evaluation.protocol_card import Card


@dataclass(frozen=True)
class Described:
    """A run is about to begin.

    `parameters` holds the chosen words and the flattened config; `config` the config as YAML; `tags` the run's name and
    where the run comes from; `changes` the changes of the source since its commit, as a diff; `versions` the version of
    each package; `dataset` the data.
    """

    parameters: Mapping[str, Any]
    config: str
    tags: Mapping[str, str]
    versions: Mapping[str, str]
    dataset: Dataset
    changes: str = ""


@dataclass(frozen=True)
class Entered:
    """A stage before the first step begins, which may take a while: `stage` says in a few words what is done."""

    stage: str


@dataclass(frozen=True)
class Prepared:
    """The evaluator is ready, and nothing was measured yet.

    `facts` holds what is known of the feature extractor, by name. `cards` holds the protocol card of each group of
    metrics, by the first part of their names: "classifier" of "classifier/fid".
    """

    facts: Mapping[str, str | float]
    cards: Mapping[str, Card]


@dataclass(frozen=True)
class Chosen:
    """The strategy was built: what was left open in the config is known now.

    `parameters` says how the steps are run, and in which mode the frozen discriminator judges. `why` gives the reason
    for the way of running them in a sentence.
    """

    parameters: Mapping[str, Any]
    why: str


@dataclass(frozen=True)
class Audited:
    """The strategy was audited, before training.

    `tags` holds the verdict in a word or two; `ledger` all entries, ready for JSON; `table` the same as text to read.
    """

    tags: Mapping[str, str]
    ledger: Mapping[str, Any]
    table: str


@dataclass(frozen=True)
class Certified:
    """Two variants were compared: `tags` holds the verdict, and `folder` the evidence."""

    tags: Mapping[str, str]
    folder: Path


@dataclass(frozen=True)
class Evaluated:
    """The weights of a finished run were evaluated again.

    `step` is the last step of the run. `evaluator` begins the names of the metrics that were measured in training;
    `name` begins the names of the new ones. `card` is the protocol of the new metrics. `by_seed` holds the new metrics,
    by the seed of the samples, and then by their bare names ("fid").
    """

    step: int
    evaluator: str
    name: str
    card: Card
    by_seed: Mapping[int, Mapping[str, float]]

    def summary(self) -> Mapping[str, tuple[float, float | None]]:
        """Return the mean of each metric over the seeds, and its standard deviation, or None if there is one seed."""
        columns = {
            metric: [metrics[metric] for metrics in self.by_seed.values()]
            for metric in next(iter(self.by_seed.values()))
        }
        return {
            metric: (float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)
            for metric, values in columns.items()
        }


@dataclass(frozen=True)
class Started:
    """Training begins: `step` steps are done, and it ends after `steps`."""

    step: int
    steps: int


@dataclass(frozen=True)
class Due:
    """The next `steps` steps come now, after `step` steps."""

    step: int
    steps: int


@dataclass(frozen=True)
class Measured:
    """Metrics were measured after `step` steps; `metrics` holds them by name."""

    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Sampled:
    """Samples were drawn after `step` steps, of the same latent vectors each time.

    `name` says from which generator ("samples", or "samples_ema" of averaged weights); `examples` are images or points.
    """

    step: int
    name: str
    examples: Examples


@dataclass(frozen=True)
class Saved:
    """The weights of the networks after `step` steps were written to `folder`.

    `name` says which: "weights" are the final ones, "best" those with the best value of a chosen metric so far.
    """

    step: int
    folder: Path
    name: str = "weights"


@dataclass(frozen=True)
class Trained:
    """A generator after the last step, which is number `step`.

    `name` says which: "generator", or "generator_ema" with averaged weights. `module` is a TensorFlow module from
    latent vectors to samples; `latent`, float32 (n, latent_dim), and `samples` are examples of both.
    """

    step: int
    name: str
    module: Any
    latent: NDArray[np.float32]
    samples: Examples


@dataclass(frozen=True)
class Explained:
    """A step made a metric or a variable NaN or infinite, and it is known how.

    `sentence` says it in a line, `report` in full, as text; `record` holds the same, ready for JSON.
    """

    step: int
    sentence: str
    report: str
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Noticed:
    """A sign of collapse was seen after `step` steps for the first time; `tags` says which, by its name."""

    step: int
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Ended:
    """Training took its last step, which was number `step`."""

    step: int


Event = (
    Described
    | Entered
    | Chosen
    | Prepared
    | Audited
    | Certified
    | Started
    | Due
    | Measured
    | Sampled
    | Saved
    | Trained
    | Explained
    | Noticed
    | Ended
)
