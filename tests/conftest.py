"""What the tests share: real data, one cache for the session, and variants put together by hand."""

import gc
import os
import sys
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from ganfreeze.backend.keras import keras2, keras3

ROOT = Path(__file__).parent.parent
CONF = ROOT / "conf"
SHARED_DATA = ROOT.parent / "shared" / "data"
LOADS = {"keras2": keras2.load, "keras3": keras3.load}

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core of its own
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
for name in ("GANFREEZE_DATA", "GANFREEZE_MLRUNS"):
    os.environ.pop(name, None)  # a developer's own store is not to be written to
warnings.filterwarnings("ignore", category=DeprecationWarning)


def words(group: str) -> list[str]:
    """The words of a config group: the names of its files."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory):
    """Everything that is made once and kept is made once for the session, by one of its processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    os.environ["GANFREEZE_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def settings_put_back():
    """A variant may run eagerly, or in another precision; the next test's networks do not."""
    yield
    if "tensorflow" not in sys.modules:
        return
    if not gc.get_freeze_count():  # TensorFlow's own million objects need not be looked through again and again
        gc.freeze()
        gc.set_threshold(50_000)
    sys.modules["tensorflow"].config.run_functions_eagerly(False)
    for name in ("tf_keras", "keras"):
        if (keras := sys.modules.get(name)) and keras.mixed_precision.global_policy().name != "float32":
            keras.backend.set_floatx("float32")
            keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(params=LOADS)
def keras(request: pytest.FixtureRequest):
    """Each Keras in turn."""
    return LOADS[request.param]()


@pytest.fixture(scope="session")
def digits():
    return import_module("ganfreeze.data.dataset.digits").Digits().load()


@pytest.fixture(scope="session")
def composed():
    """Compose a config as the command line does, with everything Hydra adds."""

    def composed(*overrides: str, config: str = "config"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose(config, list(overrides), return_hydra_config=True)

    return composed


@pytest.fixture(scope="session")
def check(composed):
    """Compose a config, and hold it against what its parts allow."""
    from omegaconf import open_dict

    from ganfreeze import app

    def check(*overrides: str):
        config = composed(*overrides)
        with open_dict(config):
            chosen = config.pop("hydra").runtime.choices
        return app.check(config, chosen)

    return check


@pytest.fixture(scope="session")
def assemble(check):
    """Put a variant together as a run does: the parts that are joined to train."""
    from hydra.utils import instantiate

    from ganfreeze.app.config import assemble, networks

    def made(*overrides: str):
        chosen = check(*overrides)
        keras, dataset = instantiate(chosen.cfg.keras), chosen.source.load()
        return assemble(chosen, dataset, networks(chosen, dataset, keras), keras=keras)

    return made


@pytest.fixture(scope="session")
def variant(assemble):
    """The networks, the strategy and the streams of a variant with batches of 16."""

    def variant(*overrides: str):
        game, strategy, streams = assemble("batch_size=16", "steps=100", *overrides)
        return game.networks, strategy, streams

    return variant


def values(model) -> list[np.ndarray]:
    """Copies of all of a network's variables."""
    return [variable.numpy().copy() for variable in model.weights]


def trainable(model) -> list[bool]:
    """Which of a network's variables are weights, not BatchNormalization's averages."""
    kept = {id(variable) for variable in model.trainable_variables}
    return [id(variable) in kept for variable in model.weights]


def bits(game) -> list[bytes]:
    """All variables of both networks and of their optimizers."""
    optimizers = {id(each): each for each in (game.optimizers.generator, game.optimizers.discriminator)}.values()
    slots = [slot for optimizer in optimizers for slot in optimizer.variables]
    weights = [*game.networks.generator.weights, *game.networks.discriminator.weights]
    return [variable.numpy().tobytes() for variable in (*weights, *slots)]
