"""The statements of docs/freezing.md that no table of moves shows, and the tables that are published."""

import csv
import importlib.util

import programs
import pytest
from conftest import ROOT

FOLDER = ROOT / "experiments" / "freezing"


@pytest.fixture(scope="module")
def statements():
    specification = importlib.util.spec_from_file_location("statements", FOLDER / "statements.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def published():
    with (FOLDER / "statements.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def is_keras_2(keras):
    return keras.__name__ == "tf_keras"


def quantities(published, name, is_keras_2):
    """Return the published quantities of a statement, as numbers."""
    column = "keras2" if is_keras_2 else "keras3"
    rows = [row for row in published if row["statement"] == name]
    return {row["quantity"]: float(row[column]) for row in rows if row[column] != "-"}


def test_the_published_quantities_are_measured(statements, published, keras, is_keras_2):
    assert list(dict.fromkeys(row["statement"] for row in published)) == list(statements.STATEMENTS)
    for name, statement in statements.STATEMENTS.items():
        measured = {key: value for key, value in statement(keras).items() if value is not None}
        assert measured == pytest.approx(quantities(published, name, is_keras_2), rel=0.05), name


def test_l2_penalties_of_a_frozen_discriminator_are_in_the_combined_loss_of_keras_2_only(statements, keras, is_keras_2):
    (share,) = statements.l2_penalty(keras).values()
    assert share == pytest.approx(1.0 if is_keras_2 else 0.0, abs=1e-4)


def test_summary_counts_no_trainable_parameters_of_a_discriminator_that_trains(statements, keras):
    counted, moved = statements.summary(keras).values()
    assert counted == 0
    assert moved > 0.01


def test_a_shared_optimizer_runs_the_bias_correction_twice_as_fast(statements, keras):
    """The generator's first gradient g is Adam's second, and its moments hold g alone.

    So its first move is rate * (1 - b1) / (1 - b1^2) / sqrt((1 - b2) / (1 - b2^2)), not the rate (Kingma, Ba 2015).
    """
    measured = statements.shared_counter(keras)
    assert measured["count after 10 steps, shared"] == 20
    assert measured["count after 10 steps, of its own"] == 10
    b1, b2 = 0.9, 0.999
    first = (1 - b1) / (1 - b1**2) / ((1 - b2) / (1 - b2**2)) ** 0.5
    assert measured["G's first move / learning rate, shared"] == pytest.approx(first, rel=1e-3)
    assert measured["G's first move / learning rate, of its own"] == pytest.approx(1, rel=1e-3)


def test_one_phase_lowers_the_loss_scale_of_the_other(statements, keras):
    """After ten steps of the discriminator alone, the generator's own scale is still too large for its first step."""
    shared, own = statements.shared_loss_scale(keras).values()
    assert shared > 0
    assert own == 0


def test_only_inference_mode_ends_the_draws_of_a_frozen_layer(statements, keras):
    for quantity, value in statements.random_layers(keras).items():
        assert (value == 0) == quantity.endswith("inference mode"), quantity


def test_a_statement_is_measured_alone(tmp_path):
    process = programs.run(tmp_path, FOLDER / "statements.py", "l2_penalty")
    assert process.returncode == 0, process.stderr
    assert process.stdout.split()[-2:] == ["1", "0"]
    process = programs.run(tmp_path, FOLDER / "statements.py", "l2_penalty", "l3")
    assert process.returncode == 1
    assert "no statement is called l3; there are l2_penalty" in process.stderr
