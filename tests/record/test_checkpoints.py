"""Weights written to disk and read back."""

import numpy as np
import pytest
from conftest import values

from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.dcgan import Dcgan
from ganfreeze.gan.architecture.dirac import Dirac
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.record import checkpoints


def build(architecture, keras, shape=(8, 8, 1), seed=0):
    return architecture.build(keras=keras, image_shape=shape, random=np.random.default_rng(seed))


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
