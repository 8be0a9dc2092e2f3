"""What happens in a run, as frozen records: the trainer yields them, trackers write them down."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Examples
from ganfreeze.evaluation.protocol_card import Card


@dataclass(frozen=True)
class Described:
    """What is about to run: the chosen words and the flattened config, the config as YAML, tags, and the data."""

    parameters: Mapping[str, Any]
    config: str
    tags: Mapping[str, str]
    versions: Mapping[str, str]
    dataset: Dataset


@dataclass(frozen=True)
class Prepared:
    """What figures rest on, found before the first is measured: what is known of the extractor, and for each name that
    figures begin with ("classifier" of "classifier/fid") the card of their protocol."""

    facts: Mapping[str, str | float]
    cards: Mapping[str, Card]


@dataclass(frozen=True)
class Chosen:
    """How the steps will be run, as parameters, and why, in a sentence."""

    parameters: Mapping[str, Any]
    why: str


@dataclass(frozen=True)
class Audited:
    """What the audit found before training: in a word or two, as tags; the ledger as JSON takes it; a table to read."""

    tags: Mapping[str, str]
    ledger: Mapping[str, Any]
    table: str


@dataclass(frozen=True)
class Certified:
    """What a comparison of two variants came to: its verdict, as tags, and a folder with the evidence."""

    tags: Mapping[str, str]
    folder: Path


@dataclass(frozen=True)
class Evaluated:
    """A run's weights after `step` steps, evaluated again: under `name` its figures by the seed of the samples, which
    have this card; `evaluator` is what the figures' names begin with that were measured in training."""

    step: int
    evaluator: str
    name: str
    card: Card
    by_seed: Mapping[int, Mapping[str, float]]

    def summary(self) -> Mapping[str, tuple[float, float | None]]:
        """The mean of each figure over the seeds, and their standard deviation where there are several."""
        columns = {
            figure: [each[figure] for each in self.by_seed.values()] for figure in next(iter(self.by_seed.values()))
        }
        return {
            figure: (float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)
            for figure, values in columns.items()
        }


@dataclass(frozen=True)
class Started:
    """Training begins after `step` steps and ends after `steps`."""

    step: int
    steps: int


@dataclass(frozen=True)
class Measured:
    """Figures measured after `step` steps, by name."""

    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Images:
    """Samples after `step` steps, of the same latent vectors each time: images or points."""

    step: int
    name: str
    images: Examples


@dataclass(frozen=True)
class Saved:
    """A folder with the networks' weights after `step` steps."""

    step: int
    folder: Path


@dataclass(frozen=True)
class Ended:
    """Training reached its last step."""

    step: int


Event = Described | Chosen | Prepared | Audited | Certified | Started | Measured | Images | Saved | Ended
