"""Networks that somebody built in Python, saved as files: a run of them is recorded and repeated as any other."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ganfreeze.app.plain_models import keras_of
from ganfreeze.errors import BadInput, interruption, one_line
from ganfreeze.overrides import quoted
from ganfreeze.types import Model

_NAMES = ("generator", "discriminator")


def save(generator: Model, discriminator: Model, folder: Path) -> list[str]:
    """Save two Keras models in `folder`, called by a hash of both, and return the overrides that choose them.

    Models of the same layers and weights have the same files. Nothing of the models is changed.

    Raises:
        BadInput: they are no Keras models, are of two Keras, or cannot be saved.
    """
    models = dict(zip(_NAMES, (generator, discriminator), strict=True))
    for name, model in models.items():
        if not (hasattr(model, "save") and hasattr(model, "get_weights")):
            raise BadInput(f"{name}={model!r}: must be a Keras model, Sequential or functional")
    if keras_of(generator) != keras_of(discriminator):
        raise BadInput(f"the generator is of {keras_of(generator)}, the discriminator of {keras_of(discriminator)}")
    own = folder.resolve() / _digest(models)[:16]
    try:
        own.mkdir(parents=True, exist_ok=True)
        for name, model in models.items():
            if not (own / f"{name}.keras").exists():
                model.save(own / f"{name}.keras")
        latent_dim = int(generator.input_shape[-1])
    except Exception as error:  # of Keras, or of a layer of the user's
        if interruption(error):
            raise
        raise BadInput(f"the networks cannot be saved: {one_line(error, 300)}") from error
    files = [quoted(f"architecture.{name}_file", str(own / f"{name}.keras")) for name in _NAMES]
    return [f"keras={keras_of(generator)}", "architecture=saved", f"architecture.latent_dim={latent_dim}", *files]


def _digest(models: Mapping[Any, Any]) -> str:
    digest = sha256()
    for model in models.values():
        try:
            digest.update(model.to_json().encode())
            for weight in model.get_weights():
                digest.update(weight.tobytes())
        except Exception as error:  # a subclass of keras.Model without a config
            if interruption(error):
                raise
            raise BadInput(f"{model.name}: must be Sequential or functional ({one_line(error)})") from error
    return digest.hexdigest()
