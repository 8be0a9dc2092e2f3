"""Batches and noise: pure functions of the seed, the step, the phase and the draw."""

import numpy as np
import pytest

from ganfreeze.data.streams import Streams, _permutation, sample_noise, scale, weight_generator

IMAGES = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)


def streams(seed=0, batch_size=4, draws=1):
    return Streams(IMAGES, seed, batch_size, latent_dim=3, draws=draws)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 10, 23])
@pytest.mark.parametrize("draws", [1, 2, 5])
def test_every_epoch_holds_each_example_exactly_once(batch_size, draws):
    stream = streams(batch_size=batch_size, draws=draws)
    indices = np.concatenate([stream.indices(step, draw) for step in range(30) for draw in range(draws)])
    epochs = indices[: len(indices) // 10 * 10].reshape(-1, 10)
    assert len(epochs) >= 3
    assert (np.sort(epochs) == np.arange(10)).all()
    assert (epochs[0] != epochs[1]).any(), "each epoch has its own permutation"


def test_a_step_does_not_depend_on_the_steps_before_it():
    stream = streams()
    in_order = [(stream.batch(step), stream.noise(step, "generator")) for step in range(20)]
    for step in (19, 3, 11):
        np.testing.assert_array_equal(streams().batch(step), in_order[step][0])
        np.testing.assert_array_equal(streams().noise(step, "generator"), in_order[step][1])


def test_seed_zero_gives_the_same_numbers_every_time():
    first = streams(seed=0).indices(0)
    _permutation.cache_clear()
    np.testing.assert_array_equal(streams(seed=0).indices(0), first)
    np.testing.assert_array_equal(first, np.random.default_rng((0, 0, 0)).permutation(10)[:4])
    assert (streams(seed=0).noise(0, "generator") != streams(seed=1).noise(0, "generator")).all()
    assert weight_generator(0).random() == weight_generator(0).random() != weight_generator(1).random()


def test_noise_is_fresh_for_each_step_phase_and_draw():
    stream = streams()
    noises = [
        stream.noise(step, phase, draw)
        for step in range(3)
        for phase in ("discriminator", "generator")
        for draw in range(2)
    ]
    assert len(np.unique(np.concatenate(noises))) == sum(noise.size for noise in noises)


def test_noise_is_standard_normal():
    from scipy.stats import kstest

    noise = np.concatenate([streams(batch_size=500).noise(step, "generator").ravel() for step in range(10)])
    assert noise.dtype == np.float32
    assert kstest(noise, "norm").pvalue > 0.01


def test_uniform_noise_is_uniform():
    from scipy.stats import kstest

    stream = Streams(IMAGES, 0, 500, latent_dim=3, latent="uniform")
    noise = np.concatenate([stream.noise(step, "generator").ravel() for step in range(10)])
    assert noise.dtype == np.float32
    assert kstest(noise, "uniform", (-1, 2)).pvalue > 0.01


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_a_larger_sample_begins_with_a_smaller_one(latent):
    np.testing.assert_array_equal(sample_noise(5, 100, 3, latent)[:40], sample_noise(5, 40, 3, latent))


def test_images_are_scaled_to_minus_one_to_one():
    extremes = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    batch = Streams(extremes, 0, 2, 1).batch(0)
    assert batch.dtype == np.float32
    assert sorted(batch.ravel()) == [-1.0, 1.0]


def test_double_precision_sees_what_single_precision_sees():
    images = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    single = Streams(images, 0, 64, 3)
    double = single._replace(dtype="float64")
    for step in range(3):
        pairs = [(single.batch(step), double.batch(step))]
        pairs += [(single.noise(step, phase), double.noise(step, phase)) for phase in ("discriminator", "generator")]
        for in_single, in_double in pairs:
            assert (in_single.dtype, in_double.dtype) == (np.float32, np.float64)
            np.testing.assert_array_equal(in_single.astype(np.float64), in_double)
    assert single.samples(5).dtype == double.samples(5).dtype == np.float32
    np.testing.assert_array_equal(single.samples(5), double.samples(5))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_points_are_not_scaled(dtype):
    points = np.random.default_rng(0).normal(0, 100, (6, 2)).astype(np.float32)
    stream = Streams(points, 0, 3, 1, dtype=dtype)
    epoch = np.concatenate([stream.batch(0), stream.batch(1)])
    assert epoch.dtype == dtype
    np.testing.assert_array_equal(np.sort(epoch, 0), np.sort(points, 0))
    np.testing.assert_array_equal(scale(points), points)
