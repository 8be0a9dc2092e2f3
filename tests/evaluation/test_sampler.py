"""The sampler: the samples that evaluators measure."""

import numpy as np
import pytest
from conftest import build_networks
from PIL import Image

from ganfreeze.data.streams import sample_noise
from ganfreeze.errors import Diverged
from ganfreeze.evaluation import sampler
from ganfreeze.gan.architecture.dirac import Dirac
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.record import pictures


def test_samples_are_quantised_images_and_independent_of_their_batch(keras):
    networks = build_networks(Mlp(), keras)
    latent = np.random.default_rng(0).standard_normal((sampler.BATCH + 7, 100), np.float32)
    sample = sampler.Sampler(networks.generator, "normal")
    images = sample(latent)
    assert (images.dtype, images.shape) == (np.uint8, (len(latent), 8, 8, 1))
    exact = (networks.generator(latent, training=False).numpy() + 1) * 127.5
    assert np.abs(images - exact).max() <= 0.501
    np.testing.assert_array_equal(sample(latent[-7:]), images[-7:])


def test_samples_that_are_not_finite_are_refused(keras):
    networks = build_networks(Mlp(), keras)
    kernel = networks.generator.weights[0]
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(Diverged, match="the generator's samples are not finite"):
        sampler.Sampler(networks.generator, "normal")(np.zeros((2, 100), np.float32))


def test_a_stream_yields_the_same_samples_in_batches(keras):
    networks = build_networks(Mlp(), keras)
    count = 2 * sampler.BATCH + 7
    batches = list(sampler.Sampler(networks.generator, "normal").stream(3, count))
    assert [len(batch) for batch in batches] == [sampler.BATCH, sampler.BATCH, 7]
    expected = sampler.Sampler(networks.generator, "normal")(sample_noise(3, count, 100, "normal"))
    np.testing.assert_array_equal(np.concatenate(batches), expected)


@pytest.mark.parametrize("architecture", [Dirac(theta=1.7), Mlp()])
def test_samples_of_points_are_the_outputs_of_the_generator(tmp_path, keras, architecture):
    networks = build_networks(architecture, keras, (1,))
    latent = np.random.default_rng(0).standard_normal((sampler.BATCH + 7, networks.latent_dim), np.float32)
    points = sampler.Sampler(networks.generator, "normal")(latent)
    assert (points.dtype, points.shape) == (np.float32, (len(latent), 1))
    np.testing.assert_allclose(points, networks.generator(latent, training=False), rtol=1e-5, atol=1e-6)
    pictures.write(points, tmp_path / "cloud.png")
    with Image.open(tmp_path / "cloud.png") as picture:
        assert picture.size == (512, 512)
