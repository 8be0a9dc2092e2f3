"""Data sets whose modes are known, and the evaluators that count them."""

import numpy as np
import pytest

from ganfreeze.data.dataset.grid import Grid
from ganfreeze.data.dataset.ring import Ring
from ganfreeze.data.dataset.stacked_mnist import StackedMnist
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.evaluator.mixture import Mixture
from ganfreeze.evaluation.evaluator.stacked import Stacked
from ganfreeze.evaluation.protocol_card import FIELDS, HELD_OUT


@pytest.mark.parametrize(("source", "modes", "deviation"), [(Ring(), 8, 0.01), (Grid(), 25, 0.05)])
def test_mixtures_are_those_of_the_papers(source, modes, deviation):
    data = source.load()
    points, labels = data.train
    assert (points.shape, points.dtype, len(data.test.examples)) == ((100000, 2), np.float32, 10000)
    assert data.mixture.centres.shape == (modes, 2)
    counts = np.bincount(labels, minlength=modes)
    assert np.abs(counts - 100000 / modes).max() < 5 * np.sqrt(100000 / modes)
    differences = points - data.mixture.centres[labels]
    assert differences.std() == pytest.approx(deviation, rel=0.01)
    assert abs(differences.mean()) < 5 * deviation / np.sqrt(200000)
    assert not np.array_equal(points[:10000], data.test.examples)
    assert source.load().digest == data.digest


def test_the_centres_of_mixtures():
    ring, grid = Ring(examples=10).load().mixture.centres, Grid(examples=100).load().mixture.centres
    np.testing.assert_allclose(np.linalg.norm(ring, axis=1), 1)
    np.testing.assert_allclose(ring[[0, 2, 4, 6]], [[1, 0], [0, 1], [-1, 0], [0, -1]], atol=1e-12)
    assert sorted(map(tuple, grid.tolist())) == [(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)]
    large_ring = Ring(modes=3, radius=5.0, examples=10).load().mixture.centres
    np.testing.assert_allclose(np.linalg.norm(large_ring, axis=1), 5)
    assert len(large_ring) == 3


def test_samples_of_the_mixture_itself_have_the_metrics_of_the_closed_forms():
    """1 - exp(-9/2) of a 2-D Gaussian lies within three deviations. All modes have equally many samples."""
    data = Grid().load()
    evaluation = Mixture(samples=10000).prepare(data)
    metrics = evaluation.evaluate(np.split(data.test.examples, 20))
    assert metrics["modes"] == 25
    assert metrics["high_quality"] == pytest.approx(1 - np.exp(-4.5), abs=0.005)
    assert metrics["reverse_kl"] == pytest.approx(24 / (2 * 10000), rel=0.7), "n even draws give (modes - 1) / 2n"
    assert set(FIELDS) - {"seeds", "ema"} <= set(evaluation.card)
    assert evaluation.card["quantisation"] == "none"
    assert evaluation.card[HELD_OUT] == {**metrics, "samples": 10000}, "the floor and the ceiling beside a generator's"


def test_the_metrics_of_a_collapsed_generator_and_of_one_without_any_mode():
    data = Ring().load()
    evaluate = Mixture().prepare(data).evaluate
    collapsed = np.tile(data.mixture.centres[:1], (100, 1))
    assert evaluate([collapsed]) == {"modes": 1, "high_quality": 1, "reverse_kl": pytest.approx(np.log(8))}
    none_found = {"modes": 0, "high_quality": 0, "reverse_kl": np.nan}
    assert evaluate([np.zeros((100, 2))]) == pytest.approx(none_found, nan_ok=True)
    two_modes = np.concatenate([collapsed, np.tile(data.mixture.centres[4:5], (100, 1)), np.full((200, 2), 9.0)])
    assert evaluate([two_modes]) == {"modes": 2, "high_quality": 0.5, "reverse_kl": pytest.approx(np.log(4))}


@pytest.fixture(scope="module")
def stacked(mnist_files, session_cache):
    return StackedMnist(data=str(mnist_files), cache=str(session_cache), mirror="", examples=30000).load()


def test_stacked_mnist_stacks_digits_of_mnist(stacked):
    images, labels = stacked.train
    digits = stacked.channels.train
    assert images.shape == (30000, *digits.examples.shape[1:3], 3)
    assert (len(stacked.test.examples), labels.min(), labels.max()) == (3000, 0, 999)
    known = {image.tobytes(): label for image, label in zip(digits.examples, digits.labels, strict=True)}
    for image, label in zip(images[:50], labels[:50], strict=True):
        assert [known[image[..., channel].tobytes()] for channel in range(3)] == [int(digit) for digit in f"{label:03}"]
    held_out = {image.tobytes() for image in stacked.channels.test.examples}
    assert {stacked.test.examples[0, ..., channel].tobytes() for channel in range(3)} <= held_out
    shares = np.bincount(labels // 100) / len(labels)
    np.testing.assert_allclose(shares, np.bincount(digits.labels) / len(digits.labels), atol=0.01)


def test_the_classifier_of_digits_counts_the_modes_of_stacked_digits(stacked, session_cache):
    evaluation = Stacked(cache=str(session_cache), samples=3000).prepare(stacked)
    assert evaluation.facts["test_accuracy"] > 0.97
    assert set(FIELDS) - {"seeds", "ema"} <= set(evaluation.card)
    images, labels = stacked.test
    metrics = evaluation.evaluate(np.split(images, 6))
    assert metrics["modes"] == pytest.approx(len(np.unique(labels)), abs=25)
    counts = np.bincount(labels, minlength=1000) / len(labels)
    expected = np.log(1000) + (counts[counts > 0] * np.log(counts[counts > 0])).sum()
    assert metrics["reverse_kl"] == pytest.approx(expected, abs=0.03)
    assert evaluation.card[HELD_OUT] == {**metrics, "samples": 3000, **evaluation.facts}
    again = Stacked(cache=str(session_cache), samples=3000).prepare(stacked)
    assert again.card == evaluation.card, "from the cache"
    copies = images[labels == labels[0]][:1].repeat(100, axis=0)
    assert evaluation.evaluate([copies]) == {"modes": 1, "reverse_kl": pytest.approx(np.log(1000))}


def test_evaluators_of_known_modes_refuse_other_data(digits, stacked):
    with pytest.raises(BadInput, match=r"evaluator=mixture needs .* dataset=ring or dataset=grid, not dataset=digits"):
        Mixture().check(digits)
    with pytest.raises(BadInput, match=r"evaluator=stacked needs .* dataset=stacked_mnist, not dataset=digits"):
        Stacked(cache="").check(digits)
    Mixture().check(Ring(examples=10).load())
    Stacked(cache="").check(stacked)
