"""Measure the freeze matrix, which variables move in which phase: the program `src/freeze_matrix.py`.

Its rows are strategies, or GANs that somebody wrote with plain Keras.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ganfreeze.app import plain_models
from ganfreeze.app.compose import (
    command_line_overrides,
    compose_variant,
    group_words,
    listed_words,
    output_folder,
    without_warnings,
)
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import resolved
from ganfreeze.app.program_settings import FreezeMatrixSettings, parse_program
from ganfreeze.app.training_setup import build
from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend.keras import keras2, keras3
from ganfreeze.errors import BadInput, Refused
from ganfreeze.proof.audit import audit
from ganfreeze.proof.ledger import Ledger
from ganfreeze.record import provenance
from ganfreeze.record.report import freeze_matrix
from ganfreeze.record.report.freeze_matrix import Cell
from ganfreeze.types import PhaseName

MODES = {"graph": "false", "eager": "true"}  # of `eager`
LOADS = {"keras2": keras2.load, "keras3": keras3.load}
_OWN = tuple(FreezeMatrixSettings.model_fields)


def run(cfg: DictConfig) -> None:
    """Measure the matrix, print it, and write it to the output folder as Markdown and CSV."""
    with friendly_errors():
        values = resolved(cfg)
        settings = parse_program(FreezeMatrixSettings, {key: values[key] for key in _OWN})
        folder = output_folder(settings.output)
        cells = list(_cells(settings) if settings.model is None else _cells_of_models(settings, folder))
        if all(cell.refused for cell in cells):
            raise BadInput(f"{cells[0].mechanism} cannot be audited: {cells[0].refused}")
        versions = ", ".join(f"{package} {version}" for package, version in provenance.versions().items())
        text = f"{freeze_matrix.markdown(cells)}\n{freeze_matrix.LEGEND}\n\nMeasured with {versions}.\n"
        print(f"{text}\n{folder / 'freeze_matrix.md'}, {folder / 'freeze_matrix.csv'}")
        (folder / "freeze_matrix.md").write_text(text)
        (folder / "freeze_matrix.csv").write_text(freeze_matrix.table(cells))


def _cells(settings: FreezeMatrixSettings) -> Iterator[Cell]:
    strategies = listed_words("strategies", settings.strategies, group_words("strategy"))
    versions = listed_words("keras_versions", settings.keras_versions, group_words("keras"))
    modes = listed_words("modes", settings.modes, list(MODES))
    for strategy in strategies:
        for keras in versions:
            for mode in modes:
                cell = _cell(strategy, keras, mode)
                print(f"{strategy} {keras} {mode}: {cell.refused or cell.verdict}", file=sys.stderr, flush=True)
                yield cell


def _cell(strategy: str, keras: str, mode: str) -> Cell:
    overrides = command_line_overrides(_OWN)
    if not any(override.startswith("architecture=") for override in overrides):
        overrides = ["architecture=dcgan", "architecture.filters=8", *overrides]
    place = (f"strategy={strategy}", f"keras={keras}", f"eager={MODES[mode]}")
    try:
        variant = compose_variant("batch_size=16", *overrides, *place)
        with without_warnings():
            setup = build(variant, variant.source.load())
    except Refused as error:
        return Cell(strategy, keras, mode, None, None, None, None, "refused", str(error))
    with without_warnings():
        ledger = audit(setup.strategy, setup.game, setup.streams)
    return _cell_of(strategy, keras, mode, ledger)


def _cells_of_models(settings: FreezeMatrixSettings, folder: Path) -> Iterator[Cell]:
    """Yield the cells of GANs of plain Keras; print the verdict on each, and write its ledger to the folder."""
    if settings.strategies is not None:
        raise BadInput(
            f"strategies={settings.strategies}: cannot be chosen beside model={settings.model}; run both one by one"
        )
    versions = listed_words("keras_versions", settings.keras_versions, list(LOADS))
    modes = listed_words("modes", settings.modes, list(MODES))
    functions = _functions([settings.model] if isinstance(settings.model, str) else settings.model)
    for name, function in functions.items():
        for version in versions if plain_models.takes_keras(function) else ["its own"]:
            for mode in modes:
                yield _cell_of_model(name, function, version, mode, folder)


def _functions(words: Any) -> Mapping[str, Callable[..., Any]]:
    """Return the functions that the words name, by the names of their rows."""
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise BadInput(f"model={words}: must name one function or more, such as my_gan.py:build or [a.py:f,b.py:g]")
    functions: dict[str, Callable[..., Any]] = {}
    for word in words:
        for name, function in plain_models.load_functions(word).items():
            if name in functions and functions[name] is not function:
                raise BadInput(f"model={word}: two functions are called {name}; audit them one after the other")
            functions[name] = function
    return functions


def _cell_of_model(name: str, function: Callable[..., Any], version: str, mode: str, folder: Path) -> Cell:
    arguments = {} if version == "its own" else {"keras": LOADS[version]()}
    tf.config.run_functions_eagerly(mode == "eager")
    try:
        with without_warnings():
            audited = plain_models.audit(plain_models.call(function, **arguments))
    except Refused as error:
        return Cell(name, version, mode, None, None, None, None, "refused", str(error))
    except BadInput as error:
        print(f"{name} {version} {mode}: cannot be audited: {error}", file=sys.stderr, flush=True)
        return Cell(name, version, mode, None, None, None, None, "error", str(error))
    keras = version if arguments else audited.keras
    print(f"{name} {keras} {mode}: {audited}", file=sys.stderr, flush=True)
    (folder / f"{name}_{keras}_{mode}.txt").write_text(audited.ledger.table())
    return _cell_of(name, keras, mode, audited.ledger)


def _cell_of(row: str, keras: str, mode: str, ledger: Ledger) -> Cell:
    return Cell(
        row,
        keras,
        mode,
        discriminator_phase_weights=ledger.moved("discriminator", "discriminator", "weights"),
        discriminator_phase_state=ledger.moved("discriminator", "discriminator", "state"),
        generator_phase_weights=ledger.moved("generator", "discriminator", "weights"),
        generator_phase_state=ledger.moved("generator", "discriminator", "state"),
        verdict=ledger.verdict,
        generator_phase_constraint=ledger.moved("generator", "discriminator", "constraint"),
        discriminator_in_discriminator_phase=_distance(ledger, "discriminator", "discriminator"),
        discriminator_in_generator_phase=_distance(ledger, "generator", "discriminator"),
        generator_in_discriminator_phase=_distance(ledger, "discriminator", "generator"),
        generator_in_generator_phase=_distance(ledger, "generator", "generator"),
    )


def _distance(ledger: Ledger, phase: PhaseName, network: PhaseName) -> float:
    return float(f"{ledger.distance(phase, network, 'weights'):.3g}")
