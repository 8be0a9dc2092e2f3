"""Write a generator as an MLflow model: a folder that `mlflow.pyfunc.load_model` reads in any process."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from ganfreeze.backend import tensorflow as tf
from ganfreeze.events import Trained
from ganfreeze.record import mlflow_client


def save(trained: Trained, folder: Path) -> Path:
    """Write the generator, the types of its input and output, and an example of the input to `folder`; return it.

    The flavors are `tensorflow` and `python_function`. What loads it needs the versions of MLflow and TensorFlow in
    its requirements.txt, and nothing of ganfreeze. `folder`/tf2model is a SavedModel.

    Raises:
        OSError: it cannot be written.
    """
    mlflow_client.library()
    from mlflow.models import ModelSignature
    from mlflow.tensorflow import save_model
    from mlflow.types import Schema, TensorSpec

    takes, gives = (
        Schema([TensorSpec(each.dtype, (-1, *each.shape[1:]))]) for each in (trained.latent, trained.samples)
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as unfinished:
        written = Path(unfinished) / folder.name
        try:
            with _installed_requirements():
                save_model(
                    trained.module,
                    written,
                    signature=ModelSignature(inputs=takes, outputs=gives),
                    input_example=trained.latent,
                    pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", "tensorflow")],
                    saved_model_kwargs={"signatures": trained.module.__call__},
                )
        except tf.errors.OpError as error:  # the disk may be full
            raise OSError(f"{folder}: {error.message}") from error
        shutil.rmtree(folder, ignore_errors=True)
        written.replace(folder)
    return folder


@contextmanager
def _installed_requirements() -> Iterator[None]:
    """Tell MLflow that what it requires is installed. To find that out it lists the files of all installed packages."""
    from mlflow.utils import environment

    name = "warn_dependency_requirement_mismatches"
    check = getattr(environment, name)
    setattr(environment, name, lambda _: None)
    try:
        yield
    finally:
        setattr(environment, name, check)
