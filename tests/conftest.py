"""Fixtures and helpers that the tests share: real data, one cache for each session, and variants built by hand."""

import gc
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from ganfreeze.backend import traced_gradients
from ganfreeze.backend.keras import keras2, keras3
from ganfreeze.errors import BadInput
from ganfreeze.types import GROUPS

ROOT = Path(__file__).parent.parent
CONF = ROOT / "conf"
SHARED_DATA = ROOT.parent / "shared" / "data"
TINY = ("architecture.generator_units=[16]", "architecture.discriminator_units=[16]", "batch_size=16")  # of the MLP
LOADS = {"keras2": keras2.load, "keras3": keras3.load}

# In the idiom: Keras 3 never trains its discriminator.
GAN = """
import keras


def build():
    generator = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3)])
    discriminator = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    discriminator.compile("sgd", "mse")
    discriminator.trainable = False
    combined = keras.Sequential([generator, discriminator])
    combined.compile("sgd", "mse")

    def train_discriminator(real, latent):
        discriminator.train_on_batch(real, real[:, :1])

    def train_generator(latent):
        combined.train_on_batch(latent, latent[:, :1])

    return generator, discriminator, combined, train_discriminator, train_generator
"""

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has its own core
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
for name in ("GANFREEZE_DATA", "GANFREEZE_MLRUNS"):
    os.environ.pop(name, None)  # the tests must not write to a developer's own store
warnings.filterwarnings("ignore", category=DeprecationWarning)


def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are cores: some tests wait for a server or for a program that is killed."""
    return len(os.sched_getaffinity(0)) + 1


def words(group: str) -> list[str]:
    """Return the words of a config group, which are the names of its files."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory):
    """Give all processes of the session one cache folder. What is cached is computed once, by one process."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    os.environ["GANFREEZE_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def process_settings_restored():
    """Run functions traced, in float32, in the next test, if this test chose otherwise."""
    yield
    if "tensorflow" not in sys.modules:
        return
    if gc.get_threshold()[0] < 50_000:  # the collector need not search TensorFlow's million objects each time
        gc.freeze()
        gc.set_threshold(50_000)
    sys.modules["tensorflow"].config.run_functions_eagerly(False)
    traced_gradients.forget()  # and so of the graphs of this test
    for name in ("tf_keras", "keras"):
        if (keras := sys.modules.get(name)) and keras.mixed_precision.global_policy().name != "float32":
            keras.backend.set_floatx("float32")
            keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(params=LOADS)
def keras(request: pytest.FixtureRequest):
    """Return each Keras in turn."""
    return LOADS[request.param]()


@pytest.fixture(scope="session")
def digits():
    """Load the data set `digits`."""
    return import_module("ganfreeze.data.dataset.digits").Digits().load()


@pytest.fixture(scope="session")
def mnist_files(tmp_path_factory: pytest.TempPathFactory, digits):
    """Return the folder of MNIST's files if they are beside the checkout, or else of digits in the same format."""
    if (SHARED_DATA / "mnist").is_dir():
        return SHARED_DATA
    folder = tmp_path_factory.mktemp("data") / "mnist"
    folder.mkdir()
    for prefix, split in (("train", digits.train), ("t10k", digits.test)):
        images = split.examples[..., 0].repeat(3, 1).repeat(3, 2)
        for name, array in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", split.labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / name).write_bytes(header + array.astype(np.uint8).tobytes())
    return folder.parent


@pytest.fixture(scope="session")
def composed():
    """Return a function that composes a config as the command line does, with everything that Hydra adds."""

    def compose_config(*overrides: str, config: str = "config"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose(config, list(overrides), return_hydra_config=True)

    return compose_config


@pytest.fixture(scope="session")
def parse():
    """Return a function that composes a config and parses it into a variant.

    To compose takes Hydra 70 ms. So the defaults are composed once; in a copy of them, the file of each word that is
    chosen replaces that of the default, and Hydra sets the other keys. What is more than that, Hydra composes.
    """
    from ganfreeze.app import compose as app_compose
    from ganfreeze.app.parse_config import parse as parse_config

    defaults = cache(app_compose.compose_config)

    def parse_variant(*overrides: str):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            try:
                cfg, choices = composed_from(*defaults(), overrides)
            except (BadInput, HydraException):  # it takes all overrides to say what is wrong
                return app_compose.compose_variant(*overrides)
            return parse_config(cfg, choices)

    return parse_variant


def composed_from(cfg: DictConfig, choices: Mapping[str, str], overrides: Sequence[str]):
    """Return a config with its words as Hydra composes it from these overrides; `cfg` and `choices` are the defaults.

    Raises:
        HydraException: it takes Hydra to compose them, or it would refuse them.
    """
    keys = [override.partition("=")[0] for override in overrides]
    chosen = {key: override.partition("=")[2] for key, override in zip(keys, overrides, strict=True) if key in choices}
    plain = all(key in GROUPS and word in words(key) for key, word in chosen.items())
    if not plain or any(key[0] in "+~" for key in keys):
        raise HydraException("more than words and values")
    cfg = deepcopy(cfg)
    with open_dict(cfg):
        for group, word in chosen.items():
            cfg[group] = deepcopy(_file_of(group, word))
    others = [override for key, override in zip(keys, overrides, strict=True) if key not in choices]
    ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides(others), cfg)
    return cfg, {**choices, **chosen}


@cache
def _file_of(group: str, word: str) -> DictConfig | ListConfig:
    return OmegaConf.load(CONF / group / f"{word}.yaml")


@pytest.fixture(scope="session")
def build(parse):
    """Return a function that builds a variant as a run does: its game, strategy and streams."""
    from ganfreeze.app import training_setup as app_build

    def build_variant(*overrides: str):
        variant = parse(*overrides)
        return app_build.build(variant, variant.source.load())

    return build_variant


@pytest.fixture(scope="session")
def variant(build):
    """Return a function that builds a variant with batches of 16 and small networks: these, strategy and streams."""

    def build_small_variant(*overrides: str):
        small = ("batch_size=16",) if any(each.startswith("architecture=") for each in overrides) else TINY
        game, strategy, streams = build(*small, "steps=100", *overrides)
        return game.networks, strategy, streams

    return build_small_variant


def build_networks(architecture, keras, shape=(8, 8, 1), seed=0):
    """Build the networks of an architecture, without a config."""
    return architecture.build(keras=keras, example_shape=shape, random=np.random.default_rng(seed))


def values(model) -> list[np.ndarray]:
    """Return copies of the values of all variables of a network."""
    return [variable.numpy().copy() for variable in model.weights]


def trainable(model) -> list[bool]:
    """Return for each variable of a network whether it is trainable, unlike BatchNormalization's moving averages."""
    trainable_ids = {id(variable) for variable in model.trainable_variables}
    return [id(variable) in trainable_ids for variable in model.weights]


def bits(game) -> list[bytes]:
    """Return the bits of all variables of both networks and of their optimizers; a shared optimizer counts once."""
    pair = (game.optimizers.generator, game.optimizers.discriminator)
    optimizers = {id(optimizer): optimizer for optimizer in pair}.values()
    slots = [slot for optimizer in optimizers for slot in optimizer.variables]
    weights = [*game.networks.generator.weights, *game.networks.discriminator.weights]
    return [variable.numpy().tobytes() for variable in (*weights, *slots)]
