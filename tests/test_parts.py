"""Architectures, optimizers, schedules, sampling, checkpoints and tables."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import values, words
from PIL import Image

from ganfreeze.backend.keras import keras2, keras3
from ganfreeze.data.streams import sample_noise
from ganfreeze.errors import BadInput, Diverged
from ganfreeze.evaluation import sampler
from ganfreeze.gan.architecture.dcgan import Dcgan
from ganfreeze.gan.architecture.dirac import Dirac
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.gan.schedule.constant import Constant
from ganfreeze.gan.schedule.cosine import Cosine
from ganfreeze.gan.schedule.linear import Linear
from ganfreeze.gan.update.base import Update
from ganfreeze.proof.weight_change import weight_change
from ganfreeze.record import checkpoints, mlflow_store, pictures
from ganfreeze.record.report import run_tables
from ganfreeze.strategy.base import Phase

LOADS = {"keras2": keras2.load, "keras3": keras3.load}


@pytest.fixture(params=LOADS)
def keras(request):
    return LOADS[request.param]()


def build(architecture, keras, shape=(8, 8, 1), seed=0):
    return architecture.build(keras=keras, image_shape=shape, random=np.random.default_rng(seed))


# ------------------------------------------------------------------------------------------------ architectures


def test_the_two_keras_are_two():
    assert keras2.load().__version__.startswith("2.")
    assert keras3.load().__version__.startswith("3.")
    assert keras3.load().backend.backend() == "tensorflow"


@pytest.mark.parametrize("architecture", [Mlp(), Dcgan(), Dcgan(batch_norm=False), Dirac(theta=0.3)])
def test_both_keras_start_from_the_same_bits(architecture):
    shape = (1,) if isinstance(architecture, Dirac) else (8, 8, 1)
    pairs = [build(architecture, load(), shape) for load in LOADS.values()]
    for network in ("generator", "discriminator"):
        two, three = (values(getattr(pair, network)) for pair in pairs)
        assert [a.shape for a in two] == [b.shape for b in three]
        for a, b in zip(two, three, strict=True):
            np.testing.assert_array_equal(a, b)


def test_mlp_has_the_parameters_of_keras_gan(keras):
    """Counted by hand from gan.py: dense (n + 1) m, BatchNormalization 4 m, on 28x28x1."""
    networks = build(Mlp(), keras, (28, 28, 1))
    sizes = (100, 256, 512, 1024)
    dense = sum((n + 1) * m for n, m in pairwise(sizes)) + 1025 * 784
    assert networks.generator.count_params() == dense + 4 * sum(sizes[1:])
    assert networks.discriminator.count_params() == 785 * 512 + 513 * 256 + 257


def test_initial_weights_have_their_distributions(keras):
    networks = build(Mlp(), keras, (28, 28, 1))
    kernel = max(values(networks.discriminator), key=np.size)
    limit = np.sqrt(6 / (784 + 512))
    assert np.abs(kernel).max() == pytest.approx(limit, rel=1e-3)
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=1e-2)
    kernel = max(values(build(Dcgan(), keras).generator), key=np.size)
    assert kernel.std() == pytest.approx(0.02, rel=2e-2)


@pytest.mark.parametrize("side", range(8, 65, 4))
def test_dcgan_fits_every_side(side):
    networks = build(Dcgan(filters=4), keras2.load(), (side, side, 3))
    assert networks.generator.output_shape == (None, side, side, 3)
    images = networks.generator(np.zeros((2, 100), np.float32), training=False)
    assert networks.discriminator(images, training=False).shape == (2, 1)
    smallest = min(layer.output_shape[1] for layer in networks.discriminator.layers[1:] if len(layer.output_shape) == 4)
    assert 2 <= smallest <= 15
    assert smallest < 8 or smallest % 2, "it is halved as long as it can be"


@pytest.mark.parametrize("shape", [(10, 10, 1), (8, 12, 1), (4, 4, 1), (68, 68, 3)])
def test_dcgan_refuses_other_shapes(shape):
    with pytest.raises(BadInput, match="a multiple of 4 from 8 to 64; this data set's are"):
        Dcgan().check(shape)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_batch_norm_is_the_discriminators_choice(keras, batch_norm):
    networks = build(Dcgan(batch_norm=batch_norm), keras)
    kinds = [type(layer).__name__ for layer in networks.discriminator.layers]
    assert ("BatchNormalization" in kinds) == batch_norm
    assert "BatchNormalization" in [type(layer).__name__ for layer in networks.generator.layers]


def test_dirac_is_one_number_each(keras):
    """G(z) = theta whatever z, D(x) = psi x."""
    networks = build(Dirac(theta=0.25, psi=-3.0), keras, (1,))
    assert (networks.latent_dim, networks.generator.count_params(), networks.discriminator.count_params()) == (1, 1, 1)
    z = np.array([[-1e30], [0.0], [7.0]], np.float32)
    np.testing.assert_array_equal(networks.generator(z, training=True), np.full((3, 1), 0.25, np.float32))
    np.testing.assert_array_equal(networks.discriminator(np.array([[2.0], [-1.0]], np.float32)), [[-6], [3]])
    (theta,), (psi,) = networks.generator.trainable_variables, networks.discriminator.trainable_variables
    assert (theta.shape, psi.shape) == ((1,), (1, 1))


@pytest.mark.parametrize("shape", [(2,), (8, 8, 1)])
def test_dirac_refuses_what_is_no_line(shape):
    with pytest.raises(BadInput, match=r"architecture=dirac plays on a line.* Choose dataset=dirac"):
        Dirac().check(shape)


# -------------------------------------------------------------------------------------- optimizers and schedules


def rate_at(rate, iteration):
    return float(rate(iteration)) if callable(rate) else rate


def test_schedules_follow_their_equations(keras):
    assert words("schedule") == ["constant", "cosine", "linear"]
    for t in (0, 25, 50, 100):
        share = t / 100
        expected = {
            Constant(): 0.2,
            Linear(final=0.1): 0.2 * (1 - 0.9 * share),
            Cosine(final=0.1): 0.2 * (0.1 + 0.9 * (1 + np.cos(np.pi * share)) / 2),
        }
        for schedule, value in expected.items():
            rate = schedule.build(keras=keras, rate=0.2, iterations=100)
            assert rate_at(rate, t) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("word", words("optimizer"))
@pytest.mark.parametrize("keras_word", words("keras"))
def test_each_network_has_its_own_rate_and_decay(composed, word, keras_word):
    from hydra.utils import instantiate

    overrides = ["optimizer.generator_rate=0.25", "optimizer.discriminator_rate=0.5", "schedule=linear"]
    config = composed(f"optimizer={word}", *overrides)
    pair = instantiate(config.optimizer).build(
        keras=LOADS[keras_word](),
        schedule=instantiate(config.schedule),
        update=Update(discriminator_steps=2),
        steps=10,
    )
    assert not pair.shared
    for optimizer, rate, decay_steps in ((pair.generator, 0.25, 10), (pair.discriminator, 0.5, 20)):
        assert type(optimizer).__name__.lower() == word
        decay = optimizer.get_config()["learning_rate"]["config"]
        assert (decay["initial_learning_rate"], decay["decay_steps"]) == (rate, decay_steps)


# ----------------------------------------------------------------------------------- sampling and checkpoints


def test_samples_are_quantised_images_and_independent_of_their_batch(keras):
    networks = build(Mlp(), keras)
    latent = np.random.default_rng(0).standard_normal((sampler.BATCH + 7, 100), np.float32)
    sample = sampler.Sampler(networks.generator)
    images = sample(latent)
    assert (images.dtype, images.shape) == (np.uint8, (len(latent), 8, 8, 1))
    exact = (networks.generator(latent, training=False).numpy() + 1) * 127.5
    assert np.abs(images - exact).max() <= 0.501
    np.testing.assert_array_equal(sample(latent[-7:]), images[-7:])


def test_samples_that_are_no_numbers_are_refused(keras):
    networks = build(Mlp(), keras)
    kernel = networks.generator.weights[0]
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(Diverged, match="the generator's samples are not finite"):
        sampler.Sampler(networks.generator)(np.zeros((2, 100), np.float32))


def test_a_stream_of_samples_is_the_samples(keras):
    networks = build(Mlp(), keras)
    count = 2 * sampler.BATCH + 7
    batches = list(sampler.Sampler(networks.generator).stream(3, count))
    assert [len(batch) for batch in batches] == [sampler.BATCH, sampler.BATCH, 7]
    expected = sampler.Sampler(networks.generator)(sample_noise(3, count, 100))
    np.testing.assert_array_equal(np.concatenate(batches), expected)


@pytest.mark.parametrize(("count", "side"), [(64, 8), (60, 8), (1, 1), (5, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_images_row_by_row(count, side, channels):
    images = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 4, 4, channels), np.uint8)
    picture = pictures.grid(images, side=4 * side)
    assert picture.shape == (4 * side, 4 * side, 3)
    shown = picture[::4, ::4, 0].ravel()
    np.testing.assert_array_equal(shown[:count], np.arange(count))
    assert not shown[count:].any()
    assert pictures.grid(images, side=8 * side).shape == (8 * side, 8 * side, 3)


def test_a_picture_is_written(tmp_path):
    images = np.full((4, 8, 8, 1), 200, np.uint8)
    pictures.write(images, tmp_path / "new" / "grid.png")
    with Image.open(tmp_path / "new" / "grid.png") as picture:
        assert picture.size == (512, 512)
        assert picture.getpixel((0, 0)) == (200, 200, 200)


BLUE = (31, 119, 180)  # matplotlib's first colour


def middles(picture):
    """The middle (row, column) of what is left and of what is right of blue in a picture with two dots."""
    rows, columns = np.nonzero((picture == BLUE).all(-1))
    left = columns < picture.shape[1] / 2
    return [(rows[side].mean(), columns[side].mean()) for side in (left, ~left)]


def test_points_are_shown_as_a_cloud():
    points = np.array([[-1, 5], [3, 9]], np.float32)
    picture = pictures.picture(points)
    assert (picture.dtype, picture.shape) == (np.uint8, (512, 512, 3))
    assert pictures.scatter(points, side=256).shape == (256, 256, 3)
    (low, left), (high, right) = middles(picture)
    assert low - high > 300, "y points upwards"
    assert right - left > 300
    (_, left_), (_, right_) = middles(pictures.picture(points * [1, -1]))
    assert (left, right) == pytest.approx((left_, right_), abs=1)


def test_points_on_a_line_lie_on_a_line():
    (first, left), (second, right) = middles(pictures.picture(np.array([[-2.0], [2.0]], np.float32)))
    assert first == second
    assert right - left > 300


def test_images_are_shown_in_a_grid():
    images = np.full((4, 8, 8, 1), 200, np.uint8)
    np.testing.assert_array_equal(pictures.picture(images), pictures.grid(images))


@pytest.mark.parametrize("architecture", [Dirac(theta=1.7), Mlp()])
def test_samples_of_points_are_what_the_generator_makes(tmp_path, keras, architecture):
    networks = build(architecture, keras, (1,))
    latent = np.random.default_rng(0).standard_normal((sampler.BATCH + 7, networks.latent_dim), np.float32)
    points = sampler.Sampler(networks.generator)(latent)
    assert (points.dtype, points.shape) == (np.float32, (len(latent), 1))
    np.testing.assert_allclose(points, networks.generator(latent, training=False), rtol=1e-5, atol=1e-7)
    pictures.write(points, tmp_path / "cloud.png")
    with Image.open(tmp_path / "cloud.png") as picture:
        assert picture.size == (512, 512)


def test_weights_of_points_come_back(tmp_path, keras):
    saved, fresh = build(Dirac(theta=0.1, psi=0.2), keras, (1,)), build(Dirac(), keras, (1,))
    folder = checkpoints.save(saved, tmp_path / "weights")
    assert checkpoints.image_shape(folder) == (1,)
    checkpoints.restore(fresh, folder)
    assert values(fresh.generator) == [np.float32(0.1)]
    assert values(fresh.discriminator) == [np.float32(0.2)]


def test_weights_come_back(tmp_path, keras):
    saved, fresh = build(Dcgan(), keras, seed=1), build(Dcgan(), keras, seed=2)
    folder = checkpoints.save(saved, tmp_path / "weights")
    assert checkpoints.image_shape(folder) == (8, 8, 1)
    checkpoints.restore(fresh, folder)
    for network in ("generator", "discriminator"):
        for a, b in zip(values(getattr(saved, network)), values(getattr(fresh, network)), strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(BadInput, match="does not hold the weights of this generator"):
        checkpoints.restore(build(Mlp(), keras), folder)
    with pytest.raises(BadInput, match="does not hold the weights"):
        checkpoints.restore(fresh, tmp_path)


def test_weight_change_is_relative_and_knows_stillness(keras):
    networks = build(Mlp(), keras)
    pair = {name: getattr(networks, name).trainable_variables for name in ("generator", "discriminator")}
    measure = weight_change(networks, {name: Phase(name, weights, None) for name, weights in pair.items()})
    networks.discriminator.trainable = False
    assert measure() == {"generator_weight_change": 0.0, "discriminator_weight_change": 0.0}
    for variable in networks.discriminator.weights:
        variable.assign(3 * variable)
    assert measure() == {"generator_weight_change": 0.0, "discriminator_weight_change": pytest.approx(2, rel=1e-5)}


# ------------------------------------------------------------------------------------------------------- tables


def a_run(number, name, status="FINISHED", **metrics):
    return mlflow_store.Run(f"id{number}", "1", name, status, metrics, audit="clean" if number == 1 else "")


RUNS = [
    a_run(1, "tape steps=9", **{"classifier/fid": 12.345, "steps_per_second": 110.0}),
    a_run(2, "compile steps=9", "FAILED", **{"classifier/fid": 1.5}),
]


def test_the_table_names_what_tells_runs_apart():
    lines = run_tables.sweep_table(RUNS).splitlines()
    assert lines[0].split() == ["variant", "classifier/fid", "steps/s", "audit", "status"]
    assert lines[1].split() == ["tape", "12.3", "110.0", "clean", "FINISHED"]
    assert lines[2].split() == ["compile", "1.500", "-", "-", "FAILED"]
    assert "tape steps=9" in run_tables.sweep_table(RUNS[:1])


def test_the_address_of_the_compare_page():
    assert run_tables.compare_page(RUNS) == (
        "#/compare-runs?runs=%5B%22id1%22%2C%22id2%22%5D&experiments=%5B%221%22%5D"
    )


def test_links_lead_to_the_other_runs():
    note = run_tables.links(RUNS[0], RUNS)
    assert "[compile steps=9](#/experiments/1/runs/id2)" in note
    assert "runs/id1" not in note
    assert run_tables.compare_page(RUNS) in note


# ------------------------------------------------------------------------------------------------------------- GPUs


class Gpus:
    """What TensorFlow is told of two GPUs."""

    def __init__(self, monkeypatch, error=None):
        from ganfreeze.backend import tensorflow as tf

        self.growing, self.limits, self._error = [], {}, error
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu0", "gpu1"])
        monkeypatch.setattr(tf.config, "get_logical_device_configuration", self.limits.get)
        monkeypatch.setattr(tf.config, "set_logical_device_configuration", self._limit)
        monkeypatch.setattr(tf.config.experimental, "get_memory_growth", lambda gpu: gpu in self.growing)
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", self._grow)

    def _grow(self, gpu, enable):
        if self._error:
            raise self._error
        self.growing.append(gpu)

    def _limit(self, gpu, devices):
        self.limits[gpu] = [device.memory_limit for device in devices]


def test_a_gpu_is_taken_as_it_is_needed_or_to_its_share(monkeypatch):
    from ganfreeze.backend import machine

    gpus = Gpus(monkeypatch)
    for _ in range(2):
        machine.use_gpus_sparingly(None)
    assert (gpus.growing, gpus.limits) == (["gpu0", "gpu1"], {})
    gpus = Gpus(monkeypatch)
    for _ in range(2):
        machine.use_gpus_sparingly(4096)
    assert (gpus.growing, gpus.limits) == ([], {"gpu0": [4096], "gpu1": [4096]})
    gpus = Gpus(monkeypatch, RuntimeError("Physical devices cannot be modified after being initialized"))
    machine.use_gpus_sparingly(None)
    assert gpus.growing == []


def test_the_machine_is_described():
    from ganfreeze.backend import machine

    described = machine.description()
    assert set(described) == {"processor", "cores", "threads", "memory", "gpus", "system", "tensorflow"}
    assert all(isinstance(value, str) and value for value in described.values())
    assert int(described["cores"]) == machine.cores() >= 1
