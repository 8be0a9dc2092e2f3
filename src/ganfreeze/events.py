"""What happens in a run, as frozen records: the trainer yields them, trackers write them down."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganfreeze import data


@dataclass(frozen=True)
class Described:
    """What is about to run: the chosen words and the flattened config, the config as YAML, tags, and the data."""

    parameters: Mapping[str, Any]
    config: str
    tags: Mapping[str, str]
    versions: Mapping[str, str]
    dataset: data.Dataset


@dataclass(frozen=True)
class Card:
    """What the evaluator's figures rest on: its extractor, the hash of its weights, its accuracy."""

    values: Mapping[str, str | int | float]


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
class Started:
    """Training begins after `step` steps and ends after `steps`."""

    step: int
    steps: int


@dataclass(frozen=True)
class Scalars:
    """Figures measured after `step` steps, by name."""

    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Images:
    """Samples after `step` steps, of the same latent vectors each time: images or points."""

    step: int
    name: str
    images: data.Examples


@dataclass(frozen=True)
class Saved:
    """A folder with the networks' weights after `step` steps."""

    step: int
    folder: Path


@dataclass(frozen=True)
class Ended:
    """Training reached its last step."""

    step: int


Event = Described | Card | Audited | Certified | Started | Scalars | Images | Saved | Ended
