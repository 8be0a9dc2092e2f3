"""The metrics against closed forms, published formulas, reference implementations and invariances."""

from math import comb, prod

import numpy as np
import prdc
import pytest
from scipy.linalg import sqrtm

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.evaluation import image_metrics
from ganfreeze.evaluation.metrics import neighbours as of_neighbours
from ganfreeze.evaluation.metrics.frechet import Gaussian, Moments, RunningMoments
from ganfreeze.evaluation.metrics.inception_score import InceptionScore
from ganfreeze.evaluation.metrics.kernel import kernel_distance
from ganfreeze.evaluation.metrics.modes import count_by_mode, divergence, recovered
from ganfreeze.evaluation.metrics.neighbours import Manifold, memorization, nearest


@pytest.fixture
def random():
    return np.random.default_rng(0)


def frechet(real, fake):
    return Gaussian.of(Moments.of(real)).distance(Moments.of(fake))


def by_scipy(real, fake):
    """Return the Frechet distance as pytorch-fid does, by the general matrix root of the product."""
    covariances = [np.cov(features, rowvar=False) for features in (real, fake)]
    root = sqrtm(covariances[0] @ covariances[1])
    return ((real.mean(0) - fake.mean(0)) ** 2).sum() + np.trace(sum(covariances) - 2 * root.real)


def by_singular_values(real, fake):
    """Return the Frechet distance without a root of a covariance.

    tr (C1 C2)^(1/2) is the nuclear norm of X1 X2^T, where X are the centred features.
    """
    x, y = (features - features.mean(0) for features in (real, fake))
    n, m = len(real) - 1, len(fake) - 1
    spread = (x**2).sum() / n + (y**2).sum() / m - 2 * np.linalg.norm(x @ y.T, "nuc") / np.sqrt(n * m)
    return ((real.mean(0) - fake.mean(0)) ** 2).sum() + spread


def correlated(random, count, dimensions, shift=0.0, scale=1.0):
    mixing = np.random.default_rng(7).normal(size=(dimensions, dimensions))
    return random.normal(size=(count, dimensions)) @ mixing * scale + shift


# ------------------------------------------------------------------------------------------- the Frechet distance


def moments(mean, covariance, count=10**9):
    """Return the moments of a population of `count`."""
    return Moments(count, np.asarray(mean, float), np.asarray(covariance, float) * (count - 1))


def test_the_distance_of_gaussians_on_a_line():
    """(m1 - m2)^2 + (s1 - s2)^2."""
    distance = Gaussian.of(moments([1], [[4]])).distance(moments([3], [[25]]))
    assert distance == pytest.approx(4 + 9, rel=1e-12)


def test_the_distance_of_gaussians_whose_covariances_commute(random):
    """|m1 - m2|^2 + sum (s1 - s2)^2 over the common axes."""
    axes, _ = np.linalg.qr(random.normal(size=(16, 16)))
    s1, s2, mean = random.uniform(0.1, 3, 16), random.uniform(0.1, 3, 16), random.normal(size=16)
    first, second = (axes * deviations**2 @ axes.T for deviations in (s1, s2))
    distance = Gaussian.of(moments(np.zeros(16), first)).distance(moments(mean, second))
    assert distance == pytest.approx((mean**2).sum() + ((s1 - s2) ** 2).sum(), rel=1e-10)


@pytest.mark.parametrize("rank", [1, 5])
def test_the_distance_of_gaussians_of_low_rank(random, rank):
    axes, _ = np.linalg.qr(random.normal(size=(64, rank)))
    s1, s2 = random.uniform(0.5, 2, rank), random.uniform(0.5, 2, rank)
    first, second = (axes * deviations**2 @ axes.T for deviations in (s1, s2))
    distance = Gaussian.of(moments(np.zeros(64), first)).distance(moments(np.zeros(64), second))
    assert distance == pytest.approx(((s1 - s2) ** 2).sum(), abs=1e-6)


def test_the_distance_of_fakes_at_one_point(random):
    """The covariance of a collapsed generator is 0. The means and the spread of the real features remain."""
    real = correlated(random, 100, 8)
    fake = np.ones((50, 8))
    expected = ((real.mean(0) - 1) ** 2).sum() + np.trace(np.cov(real, rowvar=False))
    assert frechet(real, fake) == pytest.approx(expected, rel=1e-12)
    assert frechet(fake, real) == pytest.approx(expected, rel=1e-12)
    assert frechet(fake, fake) == 0


CASES = {
    "more samples than dimensions": (500, 300, 64),
    "many dimensions": (1500, 1200, 256),
    "fewer fakes than dimensions": (400, 60, 128),
    "fewer of both": (60, 50, 128),
    "one dimension": (40, 30, 1),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rectified", [False, True], ids=["gaussian", "dead units"])
def test_the_distance_agrees_with_references_to_a_millionth(random, case, rectified):
    n, m, dimensions = CASES[case]
    real, fake = correlated(random, n, dimensions), correlated(random, m, dimensions, shift=0.3, scale=1.2)
    if rectified:  # as after ReLU, and a quarter of the features are always 0
        real, fake = np.maximum(real, 0), np.maximum(fake, 0)
        real[:, : dimensions // 4] = 0
    distance = frechet(real, fake)
    assert distance == pytest.approx(by_singular_values(real, fake), rel=1e-6)
    if dimensions > 1 and (min(n, m) > dimensions and not rectified):  # else SciPy warns that its root may be wrong
        assert distance == pytest.approx(by_scipy(real, fake), rel=1e-6)


def test_the_distance_agrees_with_tf_gan_within_single_precision(random):
    real, fake = correlated(random, 500, 32), correlated(random, 300, 32, shift=0.5)
    real, fake = real.astype(np.float32), fake.astype(np.float32)
    expected = tfgan.evaluation.frechet_classifier_distance(
        tf.constant(real), tf.constant(fake), classifier_fn=lambda features: features
    )
    assert frechet(real, fake) == pytest.approx(float(expected), rel=1e-5)


def test_the_distance_of_features_to_themselves_is_zero(random):
    for shape in ((200, 32), (20, 64)):
        features = correlated(random, *shape)
        assert frechet(features, features) == pytest.approx(0, abs=1e-7 * np.trace(np.cov(features, rowvar=False)))


def test_the_distance_is_invariant(random):
    """It does not change with the batches, their order, the order of the dimensions, or a large common shift."""
    real, fake = correlated(random, 400, 48), correlated(random, 300, 48, shift=0.2)
    expected = frechet(real, fake)
    gaussian = Gaussian.of(Moments.of(real))
    for size in (1, 7, 64, 300):
        parts = [Moments.of(fake[start : start + size]) for start in range(0, 300, size)]
        for order in (parts, parts[::-1]):
            total = order[0]
            for part in order[1:]:
                total = total + part
            assert total.count == 300
            assert gaussian.distance(total) == pytest.approx(expected, rel=1e-10)
        running = RunningMoments()
        for start in range(0, 300, size):
            running.update(fake[start : start + size])
        assert running.moments().count == 300
        assert gaussian.distance(running.moments()) == pytest.approx(expected, rel=1e-10)
    left, right = Moments.of(fake[:100]) + Moments.of(fake[100:150]), Moments.of(fake[150:])
    assert gaussian.distance(left + right) == pytest.approx(gaussian.distance(right + left), rel=1e-10)
    renumbered = random.permutation(48)
    assert frechet(real[:, renumbered], fake[:, renumbered]) == pytest.approx(expected, rel=1e-10)
    assert frechet(real + 1e4, fake + 1e4) == pytest.approx(expected, rel=1e-8)
    assert frechet(fake, real) == pytest.approx(expected, rel=1e-10)


def test_moments_equal_those_of_numpy(random):
    features = correlated(random, 90, 5).astype(np.float32)
    total = Moments.of(features[:1]) + Moments.of(features[1:40]) + Moments.of(features[40:])
    np.testing.assert_allclose(total.mean, features.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(total.covariance, np.cov(features.astype(np.float64), rowvar=False), rtol=1e-10)


def test_a_gaussian_is_restored_from_its_arrays(random):
    gaussian, fake = Gaussian.of(Moments.of(correlated(random, 99, 8))), Moments.of(correlated(random, 50, 8))
    assert Gaussian.read(gaussian.arrays()).distance(fake) == gaussian.distance(fake)


# --------------------------------------------------------------------------------------------- the Inception Score


def inception_score(logits, splits=1, size=None):
    score = InceptionScore(len(logits), splits)
    size = size or len(logits)
    for start in range(0, len(logits), size):
        score.update(logits[start : start + size])
    return score.scores()


def test_uniform_logits_score_one_and_certain_logits_score_the_number_of_their_classes():
    assert inception_score(np.zeros((50, 10))) == pytest.approx([1], rel=1e-12)
    assert inception_score(np.tile(np.eye(10) * 500, (5, 1))) == pytest.approx([10], rel=1e-12)
    assert inception_score(np.tile(np.eye(10)[:3] * 500, (5, 1))) == pytest.approx([3], rel=1e-12)


def test_the_score_equals_that_of_tf_gan(random):
    logits = random.normal(size=(203, 10)).astype(np.float32) * 3
    expected = tfgan.evaluation.classifier_score_from_logits(logits.astype(np.float64))
    assert inception_score(logits) == pytest.approx([float(expected)], rel=1e-10)


def test_each_split_has_its_score_for_any_batches(random):
    logits = random.normal(size=(203, 10)) * 3
    parts = np.split(logits, [203 * part // 4 for part in (1, 2, 3)])
    expected = [inception_score(part)[0] for part in parts]
    for size in (1, 10, 64, 203):
        assert inception_score(logits, 4, size) == pytest.approx(expected, rel=1e-12)


# ------------------------------------------------------------------------------------------------------- the KID


def test_kid_and_its_standard_error_equal_those_of_tf_gan(random):
    real, fake = random.normal(size=(250, 16)), random.normal(0.2, 1.1, size=(230, 16))
    for blocks in (1, 5, 10):
        expected = tfgan.evaluation.kernel_classifier_distance_and_std_from_activations(
            tf.constant(real), tf.constant(fake), max_block_size=250 // blocks
        )
        distance = kernel_distance(real, fake, blocks=blocks)
        assert distance == pytest.approx([float(value) for value in expected], rel=1e-9, nan_ok=True)


def test_kid_by_hand():
    """In one dimension k(x, y) = (xy + 1)^3; x = 0, 1 and y = 1, 2."""
    distance = kernel_distance(np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]]), blocks=1)
    assert distance.value == 1 + 27 - 2 * (1 + 1 + 8 + 27) / 4
    assert np.isnan(distance.standard_error)


def test_kid_is_unbiased(random):
    """Two sets from one distribution have a KID of mean 0, below 0 as often as above; its error measures its spread."""
    distances = [kernel_distance(*random.normal(size=(2, 200, 8)), blocks=4) for _ in range(200)]
    values = np.array([distance.value for distance in distances])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(200)
    assert 60 < (values < 0).sum() < 170
    assert np.mean([distance.standard_error for distance in distances]) == pytest.approx(values.std(), rel=0.25)


# -------------------------------------------------------------------------------------- nearest neighbours


def precision_recall(real, fake, *, neighbours):
    return of_neighbours.precision_recall(Manifold(real, neighbours), Manifold(fake, neighbours))


def density_coverage(real, fake, *, neighbours):
    return of_neighbours.density_coverage(Manifold(real, neighbours), fake)


def test_precision_recall_density_and_coverage_equal_the_published_implementation(random):
    real, fake = random.normal(size=(150, 6)), random.normal(0.5, 0.8, size=(150, 6))
    for neighbours in (1, 3, 5):
        expected = prdc.compute_prdc(real, fake, nearest_k=neighbours)
        metrics = {**precision_recall(real, fake, neighbours=neighbours)}
        metrics |= density_coverage(real, fake, neighbours=neighbours)
        assert metrics == pytest.approx(expected, abs=1e-12)


def test_precision_and_recall_by_hand():
    """On a line, with one neighbour, real 0, 1, 5 reach 1, 1, 4 far, and fakes 0.5, 20, 21 reach 19.5, 1, 1 far."""
    real, fake = np.array([[0.0], [1], [5]]), np.array([[0.5], [20], [21]])
    assert precision_recall(real, fake, neighbours=1) == {"precision": 1 / 3, "recall": 1}
    assert density_coverage(real, fake, neighbours=1) == {"density": 2 / 3, "coverage": 2 / 3}


def test_precision_measures_quality_and_recall_measures_diversity(random):
    """Kynkaanniemi et al. 2019, figure 1: fakes of a part of the data are precise, fakes beyond it have high recall."""
    real = random.uniform(-1, 1, size=(800, 2))
    part, beyond = real[:, :] * [0.3, 1], random.uniform(-3, 3, size=(800, 2))
    narrow, wide = (precision_recall(real, fake, neighbours=3) for fake in (part, beyond))
    assert narrow["precision"] > 0.9 > 0.5 > narrow["recall"]
    assert wide["recall"] > 0.9 > 0.5 > wide["precision"]
    elsewhere = precision_recall(real, real + 100, neighbours=3)
    assert elsewhere == {"precision": 0, "recall": 0}


@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_density_and_coverage_have_their_closed_forms_for_one_distribution(random, neighbours):
    """E density = 1, and E coverage = 1 - prod (N - i) / (2N - i) for i = 1 to k, for any distribution.

    The coverage is near 1 - 2^-k. Naeem et al. 2020, section 3.3.
    """
    count = 600
    results = [density_coverage(*random.normal(size=(2, count, 16)), neighbours=neighbours) for _ in range(8)]
    expected = 1 - prod((count - i) / (2 * count - i) for i in range(1, neighbours + 1))
    assert expected == pytest.approx(1 - comb(2 * count - neighbours - 1, count) / comb(2 * count - 1, count))
    assert np.mean([result["density"] for result in results]) == pytest.approx(1, abs=0.05)
    assert np.mean([result["coverage"] for result in results]) == pytest.approx(expected, abs=0.02)


def test_an_outlier_fools_precision_but_not_density(random):
    """Naeem et al. 2020, figure 3: real N(0, I) in 64 dimensions with one outlier at 3, and fakes closer to it."""
    real = random.normal(size=(1000, 64))
    fake = random.normal(1.0, 1, size=(1000, 64))
    with_outlier = np.concatenate([real[:-1], np.full((1, 64), 3.0)])
    plain, fooled = (precision_recall(data, fake, neighbours=5)["precision"] for data in (real, with_outlier))
    assert plain < 0.05
    assert fooled > 0.5
    assert density_coverage(with_outlier, fake, neighbours=5)["density"] < 0.25


def test_coverage_falls_with_each_mode_that_is_dropped(random):
    """Naeem et al. 2020, figure 4: ten modes of equal weight; the fakes of a dropped mode move to the first mode."""
    modes = random.normal(size=(10, 8)) * 20
    labels = np.arange(1000) % 10
    real, fake = (modes[labels] + random.normal(size=(1000, 8)) for _ in range(2))
    coverages = []
    for remaining in (10, 8, 6, 4, 2):
        moved_labels = np.where(labels < remaining, labels, 0)
        moved = fake + modes[moved_labels] - modes[labels]
        coverages.append(density_coverage(real, moved, neighbours=5)["coverage"])
    assert coverages == pytest.approx([0.97 * remaining / 10 for remaining in (10, 8, 6, 4, 2)], abs=0.04)


@pytest.mark.parametrize("neighbours", [1, 5])
def test_a_set_covers_itself_even_with_equal_points(random, neighbours):
    features = np.maximum(random.normal(size=(60, 32)), 0).astype(np.float32) * 100
    twice = features.repeat(2, axis=0)
    for points in (features, twice):
        assert precision_recall(points, points, neighbours=neighbours) == {"precision": 1, "recall": 1}
        assert density_coverage(points, points, neighbours=neighbours)["coverage"] == 1
        assert precision_recall(points, points[::-1], neighbours=neighbours) == {"precision": 1, "recall": 1}


def test_the_nearest_example_may_be_in_any_part(random, monkeypatch):
    examples, points = random.normal(size=(50, 3)), random.normal(size=(20, 3))
    expected = np.linalg.norm(points[:, None] - examples, axis=2).min(1)
    np.testing.assert_allclose(nearest(points, examples), expected)
    monkeypatch.setattr(of_neighbours, "_PART", 7)
    np.testing.assert_allclose(nearest(points, examples), expected)


def test_copies_are_memorized_and_fresh_samples_are_not(random):
    train, held_out, fresh = random.normal(size=(3, 2000, 8))
    baseline = nearest(held_out, train)
    copies = memorization(baseline, nearest(train[:500], train))
    assert copies["memorization"] == 1
    assert copies["nearest_train"] == pytest.approx(0, abs=1e-6)
    assert copies["nearest_train_held_out"] > 0.5
    unseen = memorization(baseline, nearest(fresh, train))
    assert unseen["memorization"] == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / 1000)), "4 errors of Mann-Whitney"
    assert unseen["nearest_train"] == pytest.approx(unseen["nearest_train_held_out"], rel=0.03)
    half = np.concatenate([fresh[:500], train[:500]])
    assert memorization(baseline, nearest(half, train))["memorization"] == pytest.approx(0.75, abs=0.04)
    assert memorization(baseline, nearest(fresh + 100, train))["memorization"] == 0, "far from all real examples"


def test_memorization_by_hand():
    """The fake is nearer in three of the pairs (2, 1), (2, 3), (4, 1), (4, 3), and the tie (3, 3) counts half."""
    assert memorization(np.array([2.0, 4]), np.array([1.0, 3]))["memorization"] == 0.75
    assert memorization(np.array([3.0]), np.array([3.0]))["memorization"] == 0.5


# --------------------------------------------------------------------------------------------------- known modes


def test_a_sample_belongs_to_the_nearest_mode_within_three_deviations():
    centres = np.array([[0.0, 0], [10, 0], [0, 10]])
    points = np.array([[0, 0], [0.29, 0], [0, 0.31], [10, 0.1], [5, 5], [9, 0]])
    assert count_by_mode(points, centres, 0.1).tolist() == [2, 1, 0]


def test_modes_recovered_and_their_divergence():
    assert recovered(np.array([3, 0, 1])) == 2
    assert divergence(np.array([5, 5, 5, 5])) == pytest.approx(0, abs=1e-12)
    assert divergence(np.array([7, 0, 0, 0])) == pytest.approx(np.log(4))
    assert divergence(np.array([1, 1, 0, 0])) == pytest.approx(np.log(2))
    assert divergence(np.array([3, 1])) == pytest.approx(0.75 * np.log(1.5) + 0.25 * np.log(0.5))
    assert np.isnan(divergence(np.zeros(4, int)))


# -------------------------------------------------------------------------------------- metrics of images alone


def test_ms_ssim_of_large_images_equals_that_of_tensorflow(random):
    first, second = random.integers(0, 256, (2, 3, 180, 180, 3), np.uint8)
    expected = tf.image.ssim_multiscale(first, second, 255).numpy()
    np.testing.assert_allclose(image_metrics.ms_ssim(first, second), expected, rtol=1e-6)


@pytest.mark.parametrize("side", [8, 28, 64])
def test_ms_ssim_of_small_images(random, side):
    image = random.integers(0, 256, (1, side, side, 1), np.uint8)
    noise = random.integers(0, 256, (4, side, side, 1), np.uint8)
    assert image_metrics.ms_ssim(image, image) == pytest.approx([1], abs=1e-6)
    mild = np.clip(image.astype(int) + random.integers(-20, 21, image.shape), 0, 255).astype(np.uint8)
    assert 0.8 < image_metrics.ms_ssim(image, mild)[0] < 1
    assert image_metrics.ms_ssim(noise[:2], noise[2:]).mean() < 0.3


def test_sliced_wasserstein_separates_noise_from_images_and_repeats(digits):
    real, fake = np.split(digits.train.examples[:200], 2)
    noise = np.random.default_rng(0).integers(0, 256, fake.shape, np.uint8)
    state = np.random.get_state()[1].copy()
    near, far = (image_metrics.sliced_wasserstein(real, images) for images in (fake, noise))
    assert near < far / 2
    assert {image_metrics.sliced_wasserstein(real, fake) for _ in range(8)} == {near}
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize("side", [8, 15, 28, 31, 32, 48, 64, 68])
def test_sliced_wasserstein_of_sides_that_halve_evenly(random, side):
    assert image_metrics.whole_pyramid(side)
    images = random.integers(0, 256, (2, 4, side, side, 1), np.uint8)
    assert image_metrics.sliced_wasserstein(*images) > 0
    assert not any(image_metrics.whole_pyramid(odd) for odd in (33, 35, 66, 130))


def test_sliced_wasserstein_of_black_backgrounds_is_finite():
    """TF-GAN alone divides 0 by 0 for black images."""
    black = np.zeros((20, 32, 32, 3), np.uint8)
    assert 0 <= image_metrics.sliced_wasserstein(black, black) < 0.1
