"""Certificates of equivalence: the arithmetic against cases done by hand, and every pair of strategies."""

import csv
import io

import numpy as np
import pytest
from conftest import words

from ganfreeze.proof import certificate
from ganfreeze.proof.certificate import Certificate, Difference
from ganfreeze.proof.snapshot import values
from ganfreeze.record.report import certificate_tables

NAMES = ["generator/Dense_1/kernel", "generator/Dense_1/bias"]


def between(a, b, dtype=np.float32):
    a, b = ([np.array(each, dtype) for each in side] for side in (a, b))
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
    kernel, bias = between([[4.0, 1.0], [0.0]], [[4.0, 1.5], [0.001]])
    assert (kernel.absolute, kernel.relative) == (0.5, 0.125)
    assert (bias.absolute, bias.relative) == (pytest.approx(0.001), pytest.approx(0.00025))


def made(*relatives, precision="float32", ulp=1.0):
    differences = [Difference(step, "v", each, each, ulp if each else 0.0) for step, each in enumerate(relatives, 1)]
    return Certificate("a", "b", precision, certificate.TOLERANCES[precision], differences)


def test_verdicts():
    assert made(0.0, 0.0).verdict == "identical"
    assert made(0.0, 1e-7).verdict == "equal to rounding"
    assert made(1e-7, 1e-2, 1e-1).verdict == "different algorithm"
    assert made(float("nan")).verdict == "different algorithm"
    assert made(1e-7, 1e-2, 1e-1).parting.step == 2
    assert made(1e-7).parting is None
    assert made(1e-7, 3e-3, 1e-3).largest.step == 2


def test_the_finest_precision_decides():
    single, double = made(1e-7, 1e-2), made(1e-12, precision="float64")
    assert certificate.verdict([single, double]) == "equal to rounding", "rounding, grown"
    assert certificate.verdict([made(1e-2), double]) == "equal to rounding", "Adam may enlarge it at once"
    average = Difference(1, "generator/BatchNormalization_1/moving_mean", 1e-4, 1e-4, 9.0)
    apart = Certificate("a", "b", "float32", 1e-4, [average])
    assert certificate.verdict([apart, double]) == "different algorithm", "but no average"
    assert certificate.verdict([made(1e-7), made(1e-7, 1e-2, precision="float64")]) == "different algorithm"
    assert certificate.verdict([made(1e-7), made(0.0, precision="float64")]) == "equal to rounding"
    assert certificate.verdict([made(0.0), made(0.0, precision="float64")]) == "identical"


def test_averages_are_given_less_at_the_first_step():
    name = "generator/BatchNormalization_1/moving_variance"

    def at(step):
        return Certificate("a", "b", "float32", 1e-4, [Difference(step, name, 5e-5, 5e-5, 9.0)])

    assert at(1).verdict == "different algorithm"
    assert at(2).verdict == "equal to rounding"


def test_the_fused_kernel_of_keras_2_corrects_the_moving_variance(trained):
    """By N / (N - 1), Bessel's correction, in single precision only: Keras 3 does not, so they part at once."""
    places = chosen(("keras2", "tape")), chosen(("keras3", "tape"))
    found = compared(trained, *places, *WITHOUT, precision="float32")
    parting = found.parting
    assert (parting.step, parting.variable) == (1, "generator/BatchNormalization_1/moving_variance")
    names, two = trained(*places[0], *WITHOUT, "precision=float32")
    _, three = trained(*places[1], *WITHOUT, "precision=float32")
    at, count = names.index(parting.variable), 8 * 2 * 2  # a batch of 8, 2 by 2
    two, three = (states[0][at] - 0.81 for states in (two, three))  # momentum 0.9, from 1, twice in a step
    np.testing.assert_allclose(two / three, count / (count - 1), rtol=1e-4)
    assert compared(trained, *places, *WITHOUT).verdict == "equal to rounding"


def test_a_certificate_as_text_table_and_plot(tmp_path):
    pair = [made(1e-7, 1e-2), made(0.0, 1e-12, precision="float64")]
    row = certificate_tables.markdown([pair]).splitlines()[2]
    assert row == "| a | b | **equal to rounding** | 1.0e-02 | 1.0e-12 | float32: step 2, `v`, 1.0e-02 |"
    rows = list(csv.DictReader(io.StringIO(certificate_tables.table(pair))))
    assert [(each["precision"], each["step"], each["relative"]) for each in rows] == [
        ("float32", "1", "1e-07"),
        ("float32", "2", "0.01"),
        ("float64", "1", "0"),
        ("float64", "2", "1e-12"),
    ]
    largest = list(csv.DictReader(io.StringIO(certificate_tables.by_step([pair, pair]))))
    assert [(each["step"], each["relative"]) for each in largest] == 2 * [(r["step"], r["relative"]) for r in rows]
    certificate_tables.plot([pair, pair], tmp_path / "plot.png", "title")
    from PIL import Image

    with Image.open(tmp_path / "plot.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5, "there is something on it"


# --------------------------------------------------------------------------------------------- pairs of strategies

STEPS = 8
CONTROLS = {("keras2", "unfrozen"), ("keras3", "unfrozen"), ("keras3", "compile"), ("keras3", "reverse")}
TAPED = {"tape", "train_step", "tfgan"}  # a frozen BatchNormalization uses the batch; elsewhere its averages
WITH = ("architecture=dcgan", "architecture.filters=4", "batch_size=8")
WITHOUT = (*WITH, "architecture.batch_norm=false")


@pytest.fixture(scope="module")
def trained(assemble):
    """The variables of both networks after each step, of each strategy under each Keras; trained once."""
    found = {}

    def trained(*overrides):
        if overrides not in found:
            game, strategy, streams = assemble(*overrides)
            networks, states = game.networks, []
            for step in range(STEPS):
                strategy.advance(streams, step, 1)
                states.append(values([*networks.generator.weights, *networks.discriminator.weights]))
            found[overrides] = certificate.names(networks), states
        return found[overrides]

    return trained


def compared(trained, a, b, *common, precision="float64"):
    names, one = trained(*a, *common, f"precision={precision}")
    others, other = trained(*b, *common, f"precision={precision}")
    assert names == others
    found = [each for step in range(STEPS) for each in certificate.differences(step + 1, names, one[step], other[step])]
    return Certificate(str(a), str(b), precision, certificate.TOLERANCES[precision], found)


def choices(check):
    for keras in words("keras"):
        for strategy in words("strategy"):
            try:
                check(f"keras={keras}", f"strategy={strategy}")
            except ValueError:
                continue
            yield keras, strategy


def chosen(place):
    return f"keras={place[0]}", f"strategy={place[1]}"


def test_without_batch_norm_all_pairs_of_working_strategies_are_equal_to_rounding(trained, check):
    every = list(choices(check))
    working = [place for place in every if place not in CONTROLS]
    assert len(working) >= 12
    for number, one in enumerate(working):
        for other in working[number + 1 :]:
            found = compared(trained, chosen(one), chosen(other), *WITHOUT)
            assert found.verdict in ("identical", "equal to rounding"), (one, other, found.largest)
            assert found.largest.relative < 1e-7, "the momentum of Keras 2 in single precision, and no more"
    for control in CONTROLS:
        found = compared(trained, chosen(working[0]), chosen(control), *WITHOUT)
        assert found.verdict == "different algorithm", control
        assert found.parting.step == 1


def test_single_precision_adds_rounding_and_no_more(trained):
    for strategy in ("compile", "toggle", "train_step"):
        found = compared(
            trained, chosen(("keras2", "tape")), chosen(("keras2", strategy)), *WITHOUT, precision="float32"
        )
        assert found.largest.absolute < 2e-6


def test_with_batch_norm_the_tapes_and_the_flags_are_two_algorithms(trained, check):
    working = [place for place in choices(check) if place not in CONTROLS]
    for number, one in enumerate(working):
        for other in working[number + 1 :]:
            found = compared(trained, chosen(one), chosen(other), *WITH)
            if (one[1] in TAPED) == (other[1] in TAPED):
                assert found.verdict in ("identical", "equal to rounding"), (one, other, found.largest)
            else:
                assert found.verdict == "different algorithm", (one, other)
                assert found.parting.step == 1
                beyond = {each.variable for each in found.differences if each.step == 1 and each.relative > 1e-6}
                assert any("discriminator/BatchNormalization" in name and "moving" in name for name in beyond)
                assert any(name.startswith("generator/") for name in beyond)
