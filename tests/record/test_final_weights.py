"""Weights that are written to disk are read back."""

import numpy as np
import pytest
from conftest import build_networks, values

from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.dcgan import Dcgan
from ganfreeze.gan.architecture.dirac import Dirac
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.record import final_weights


def test_weights_of_a_network_of_points_are_read_back(tmp_path, keras):
    saved, fresh = build_networks(Dirac(theta=0.1, psi=0.2), keras, (1,)), build_networks(Dirac(), keras, (1,))
    folder = final_weights.save(saved, tmp_path / "weights")
    assert final_weights.example_shape(folder) == (1,)
    final_weights.restore(fresh, folder)
    assert values(fresh.generator) == [np.float32(0.1)]
    assert values(fresh.discriminator) == [np.float32(0.2)]


def test_weights_are_read_back(tmp_path, keras):
    saved, fresh = build_networks(Dcgan(), keras, seed=1), build_networks(Dcgan(), keras, seed=2)
    folder = final_weights.save(saved, tmp_path / "weights")
    assert final_weights.example_shape(folder) == (8, 8, 1)
    final_weights.restore(fresh, folder)
    for network in ("generator", "discriminator"):
        pairs = zip(values(getattr(saved, network)), values(getattr(fresh, network)), strict=True)
        for written, restored in pairs:
            np.testing.assert_array_equal(written, restored)
    with pytest.raises(BadInput, match="does not hold the weights of this generator"):
        final_weights.restore(build_networks(Mlp(), keras), folder)
    with pytest.raises(BadInput, match="does not hold the weights"):
        final_weights.restore(fresh, tmp_path)


def test_the_digest_is_that_of_the_weights(tmp_path, keras):
    """It is the same for equal weights of networks with other names, and another one if one bit changes."""
    networks, again = build_networks(Mlp(), keras), build_networks(Mlp(), keras)
    digest = final_weights.digest(final_weights.save(networks, tmp_path / "first"))
    assert final_weights.digest(final_weights.save(again, tmp_path / "again")) == digest
    weight = again.discriminator.weights[0]
    changed = weight.numpy()
    changed.flat[0] = np.nextafter(changed.flat[0], np.inf)
    weight.assign(changed)
    assert final_weights.digest(final_weights.save(again, tmp_path / "changed")) != digest


@pytest.mark.parametrize("name", ["generator.weights.h5", "image_shape.json"])
def test_weights_that_were_changed_are_refused(tmp_path, keras, name):
    """One bit in the middle of a file of weights would only give other samples."""
    networks = build_networks(Mlp(), keras)
    folder = final_weights.save(networks, tmp_path / "weights")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    for read in (final_weights.example_shape, lambda path: final_weights.restore(networks, path)):
        with pytest.raises(BadInput, match=f"{name} was changed since it was written"):
            read(folder)
