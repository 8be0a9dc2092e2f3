"""Certificates of equivalence: the arithmetic against cases worked out by hand, and every pair of strategies."""

import csv
import io
from itertools import combinations

import numpy as np
import pytest
from conftest import words

from ganfreeze.proof import certificate
from ganfreeze.proof.certificate import Certificate, Difference
from ganfreeze.proof.snapshot import values
from ganfreeze.record.report import certificate_tables

NAMES = ["generator/Dense_1/kernel", "generator/Dense_1/bias"]


def differences(a, b, dtype=np.float32):
    a, b = ([np.array(variable, dtype) for variable in variables] for variables in (a, b))
    return certificate.differences(1, NAMES, a, b)


def test_units_in_the_last_place():
    up = np.nextafter(np.float32(1), np.float32(2))
    for a, b, ulp in [
        (1.0, 1.0, 0),
        (1.0, up, 1),
        (1.0, 2.0, 2**23),
        (0.0, -0.0, 0),
        (0.0, 1.4e-45, 1),
        (-1.4e-45, 1.4e-45, 2),
        (-1.0, 1.0, 2 * 127 * 2**23),
    ]:
        assert certificate._ulp(np.array([a], np.float32), np.array([b], np.float32)) == ulp
        assert certificate._ulp(np.array([b], np.float32), np.array([a], np.float32)) == ulp
    assert certificate._ulp(np.array([1.0]), np.array([1 + 2**-52])) == 1
    assert certificate._ulp(np.array([-1.0]), np.array([1.0])) == 2 * 1023 * 2**52


def test_a_difference_is_relative_to_its_network():
    kernel, bias = differences([[4.0, 1.0], [0.0]], [[4.0, 1.5], [0.001]])
    assert (kernel.absolute, kernel.relative) == (0.5, 0.125)
    assert (bias.absolute, bias.relative) == (pytest.approx(0.001), pytest.approx(0.00025))


def certify(*relatives, precision="float32"):
    """Return a certificate of one variable with these relative differences, one for each step."""
    differences = [
        Difference(step, "v", relative, relative, 1.0 if relative else 0.0)
        for step, relative in enumerate(relatives, 1)
    ]
    return Certificate("a", "b", precision, certificate.TOLERANCES[precision], differences)


def test_verdicts():
    assert certify(0.0, 0.0).verdict == "identical"
    assert certify(0.0, 1e-7).verdict == "equal to rounding"
    assert certify(1e-7, 1e-2, 1e-1).verdict == "different algorithm"
    assert certify(float("nan")).verdict == "different algorithm"
    assert certify(1e-7, 1e-2, 1e-1).first_difference.step == 2
    assert certify(1e-7).first_difference is None
    assert certify(1e-7, 3e-3, 1e-3).largest.step == 2


def test_the_finest_precision_decides():
    single, double = certify(1e-7, 1e-2), certify(1e-12, precision="float64")
    assert certificate.verdict([single, double]) == "equal to rounding", "rounding that has grown"
    assert certificate.verdict([certify(1e-2), double]) == "equal to rounding", "Adam may enlarge it at step 1"
    average = Difference(1, "generator/BatchNormalization_1/moving_mean", 1e-4, 1e-4, 9.0)
    apart = Certificate("a", "b", "float32", 1e-4, [average])
    assert certificate.verdict([apart, double]) == "different algorithm", "no optimizer enlarges an average"
    weight = Difference(1, "generator/Dense_1/kernel", 1e-3, 1e-3, 9.0)
    hidden = Certificate("a", "b", "float32", 1e-4, [weight, average])
    assert certificate.verdict([hidden, double]) == "different algorithm", "also if a weight differs more"
    assert certificate.verdict([certify(1e-7), certify(1e-7, 1e-2, precision="float64")]) == "different algorithm"
    assert certificate.verdict([certify(1e-7), certify(0.0, precision="float64")]) == "equal to rounding"
    assert certificate.verdict([certify(0.0), certify(0.0, precision="float64")]) == "identical"


def test_less_is_allowed_for_averages_at_the_first_step():
    name = "generator/BatchNormalization_1/moving_variance"

    def certify_at(step):
        return Certificate("a", "b", "float32", 1e-4, [Difference(step, name, 5e-5, 5e-5, 9.0)])

    assert certify_at(1).verdict == "different algorithm"
    assert certify_at(2).verdict == "equal to rounding"


def test_the_fused_kernel_of_keras_2_corrects_the_moving_variance(trained):
    """Keras 2 multiplies by N / (N - 1), Bessel's correction, in single precision only. Keras 3 does not.

    So their averages differ at the first step.
    """
    sides = overrides_of(("keras2", "tape")), overrides_of(("keras3", "tape"))
    difference = compare(trained, *sides, *WITHOUT, precision="float32").first_difference
    assert (difference.step, difference.variable) == (1, "generator/BatchNormalization_1/moving_variance")
    names, keras2_states = trained(*sides[0], *WITHOUT, "precision=float32")
    _, keras3_states = trained(*sides[1], *WITHOUT, "precision=float32")
    index, count = names.index(difference.variable), 8 * 2 * 2  # a batch of 8, 2 by 2
    # The average starts at 1 and moves twice in a step, with momentum 0.9.
    keras2, keras3 = (states[0][index] - 0.81 for states in (keras2_states, keras3_states))
    np.testing.assert_allclose(keras2 / keras3, count / (count - 1), rtol=1e-4)
    assert compare(trained, *sides, *WITHOUT).verdict == "equal to rounding"


def test_a_certificate_as_text_table_and_plot(tmp_path):
    pair = [certify(1e-7, 1e-2), certify(0.0, 1e-12, precision="float64")]
    row = certificate_tables.markdown([pair]).splitlines()[2]
    assert row == "| a | b | **equal to rounding** | 1.0e-02 | 1.0e-12 | float32: step 2, `v`, 1.0e-02 |"
    rows = list(csv.DictReader(io.StringIO(certificate_tables.table(pair))))
    assert [(row["precision"], row["step"], row["relative"]) for row in rows] == [
        ("float32", "1", "1e-07"),
        ("float32", "2", "0.01"),
        ("float64", "1", "0"),
        ("float64", "2", "1e-12"),
    ]
    largest = list(csv.DictReader(io.StringIO(certificate_tables.by_step([pair, pair]))))
    assert [(row["step"], row["relative"]) for row in largest] == 2 * [(row["step"], row["relative"]) for row in rows]
    certificate_tables.plot([pair, pair], tmp_path / "plot.png", "title")
    from PIL import Image

    with Image.open(tmp_path / "plot.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5, "the plot is not blank"


# --------------------------------------------------------------------------------------------- pairs of strategies

STEPS = 5
CONTROLS = {("keras2", "unfrozen"), ("keras3", "unfrozen"), ("keras3", "compile"), ("keras3", "reverse")}
# In these a frozen BatchNormalization normalises by the batch, in the others by its averages.
TAPED = {"tape", "train_step", "tfgan"}
WITH = ("architecture=dcgan", "architecture.filters=4", "batch_size=8")
WITHOUT = (*WITH, "architecture.batch_norm=false")


@pytest.fixture(scope="module")
def trained(build):
    """Train a variant once, and return the names of both networks' variables and their values after each step."""
    results = {}

    def trained(*overrides):
        if overrides not in results:
            game, strategy, streams = build(*overrides)
            networks, states = game.networks, []
            for step in range(STEPS):
                strategy.advance(streams, step, 1)
                states.append(values([*networks.generator.weights, *networks.discriminator.weights]))
            results[overrides] = certificate.names(networks), states
        return results[overrides]

    return trained


def compare(trained, a, b, *common, precision="float64"):
    names, states_a = trained(*a, *common, f"precision={precision}")
    names_b, states_b = trained(*b, *common, f"precision={precision}")
    assert names == names_b
    differences = []
    for step in range(STEPS):
        differences += certificate.differences(step + 1, names, states_a[step], states_b[step])
    return Certificate(str(a), str(b), precision, certificate.TOLERANCES[precision], differences)


def accepted_places(parse):
    """Yield every Keras and strategy that go together."""
    for keras in words("keras"):
        for strategy in words("strategy"):
            try:
                parse(f"keras={keras}", f"strategy={strategy}")
            except ValueError:
                continue
            yield keras, strategy


def overrides_of(place):
    return f"keras={place[0]}", f"strategy={place[1]}"


def test_without_batch_norm_all_pairs_of_working_strategies_are_equal_to_rounding(trained, parse):
    working = [place for place in accepted_places(parse) if place not in CONTROLS]
    assert len(working) >= 12
    for a, b in combinations(working, 2):
        certified = compare(trained, overrides_of(a), overrides_of(b), *WITHOUT)
        assert certified.verdict in ("identical", "equal to rounding"), (a, b, certified.largest)
        assert certified.largest.relative < 1e-7, "the momentum of Keras 2 in single precision, and no more"
    for control in CONTROLS:
        certified = compare(trained, overrides_of(working[0]), overrides_of(control), *WITHOUT)
        assert certified.verdict == "different algorithm", control
        assert certified.first_difference.step == 1


def test_single_precision_adds_rounding_and_no_more(trained):
    tape = overrides_of(("keras2", "tape"))
    for strategy in ("compile", "toggle", "train_step"):
        certified = compare(trained, tape, overrides_of(("keras2", strategy)), *WITHOUT, precision="float32")
        assert certified.largest.absolute < 2e-6


def test_with_batch_norm_the_tapes_and_the_flags_are_two_algorithms(trained, parse):
    working = [place for place in accepted_places(parse) if place not in CONTROLS]
    for a, b in combinations(working, 2):
        certified = compare(trained, overrides_of(a), overrides_of(b), *WITH)
        if (a[1] in TAPED) == (b[1] in TAPED):
            assert certified.verdict in ("identical", "equal to rounding"), (a, b, certified.largest)
        else:
            assert certified.verdict == "different algorithm", (a, b)
            assert certified.first_difference.step == 1
            first = [difference for difference in certified.differences if difference.step == 1]
            beyond = {difference.variable for difference in first if difference.relative > 1e-6}
            assert any("discriminator/BatchNormalization" in name and "moving" in name for name in beyond)
            assert any(name.startswith("generator/") for name in beyond)


def test_with_the_same_judge_all_working_strategies_are_one_algorithm(trained, parse):
    """The mode of the frozen BatchNormalization is the whole difference between a tape and a flag."""
    working = [place for place in accepted_places(parse) if place not in CONTROLS]
    sides = {
        # A flag judges in inference mode anyway; see test_judge.py.
        place: (*overrides_of(place), *(["update.judge=inference"] if place[1] in TAPED else []))
        for place in working
    }
    for a, b in combinations(working, 2):
        certified = compare(trained, sides[a], sides[b], *WITH)
        assert certified.verdict in ("identical", "equal to rounding"), (a, b, certified.largest)
        assert certified.largest.relative < 1e-7, "the momentum of Keras 2 in single precision, and no more"
