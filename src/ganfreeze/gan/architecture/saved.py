"""Networks of one's own, from files in the format of Keras."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from ganfreeze.errors import BadInput, interruption, one_line
from ganfreeze.gan.architecture.base import Architecture
from ganfreeze.gan.inspection import layers
from ganfreeze.types import Choices, Count, Model, Tensor

File = Annotated[str, Field(pattern=r"\.keras$", description="a .keras file")]
_WORDS = {"2": "keras2", "3": "keras3"}


@dataclass(frozen=True, kw_only=True)
class Saved(Architecture):
    """Your own networks, from two files that Keras wrote by `model.save("generator.keras")`.

    - `generator_file`: a Sequential or functional model from latent vectors to examples, images in [-1, 1].
    - `discriminator_file`: a Sequential or functional model from examples to one logit, without a sigmoid.

    The initial weights are those in the files, whatever the seed: it decides batches and noise. All layers train. The
    mechanisms do not add losses of the models' own, such as an L2 penalty, so models with such losses are refused.
    """

    supports: ClassVar[Choices] = {"precision": ["float32"]}

    generator_file: File = "generator.keras"
    discriminator_file: File = "discriminator.keras"
    latent_dim: Count = 100

    def is_independent(self) -> bool:
        """Return whether all layers of the discriminator are Keras' own, and none may join examples of a batch.

        BatchNormalization does, and so may a Lambda, an operation outside a layer, and a layer of one's own.
        """
        classes = _classes(json.loads(self._entry("discriminator", "config.json")))
        return all(name == "Functional" or _is_of_one_example(module, name) for module, name in classes)

    def check(self, example_shape: tuple[int, ...]) -> None:
        """Raise BadInput if a file is missing, or is not what Keras writes."""
        for network in ("generator", "discriminator"):
            self._keras_of(network)

    def generate(
        self, keras: Any, latent: Tensor, example_shape: tuple[int, ...], random: np.random.Generator
    ) -> Tensor:
        return self._apply(keras, "generator", latent, example_shape)

    def judge(self, keras: Any, examples: Tensor, random: np.random.Generator) -> Tensor:
        return self._apply(keras, "discriminator", examples, (1,))

    def _apply(self, keras: Any, network: str, inputs: Tensor, output_shape: tuple[int, ...]) -> Tensor:
        """Load a network, and apply it. Raises BadInput if it is of another Keras, or does not fit."""
        model, given = self._load(keras, network), f"architecture.{network}_file={self._file(network)}"
        shapes = [("takes", model.input_shape, inputs.shape), ("returns", model.output_shape, (None, *output_shape))]
        for verb, own, wanted in shapes:
            if tuple(own)[1:] != tuple(wanted)[1:]:
                raise BadInput(f"{given} {verb} {_shape(own)}; here the {network} {verb} {_shape(wanted)}")
        if frozen := [layer.name for layer in (model, *layers(model)) if not layer.trainable]:
            raise BadInput(f"{given}: `trainable` of {', '.join(frozen[:3])} is False; freeze=lower can hold layers")
        if model.losses:
            raise BadInput(f"{given} has losses of its own, such as an L2 penalty; they would not be added")
        if network == "discriminator" and _ends_in_sigmoid(model):
            raise BadInput(f"{given} ends in a sigmoid; the losses take logits, so leave it out")
        return model(inputs)

    def _load(self, keras: Any, network: str) -> Model:
        path, word = self._file(network), self._keras_of(network)
        if word != _WORDS[keras.__version__[0]]:
            raise BadInput(f"architecture.{network}_file={path} was saved by another Keras; it needs keras={word}")
        try:
            model = keras.models.load_model(path, compile=False)
            _ = model.input_shape, model.output_shape  # a subclass of keras.Model has none
            return model
        except Exception as error:  # of Keras, h5py, or a layer of the user's
            if interruption(error):
                raise
            raise BadInput(f"architecture.{network}_file={path} cannot be loaded: {one_line(error, 300)}") from error

    def _keras_of(self, network: str) -> str:
        """Return the word of the Keras that saved a network."""
        version = str(json.loads(self._entry(network, "metadata.json")).get("keras_version", ""))
        if version[:1] not in _WORDS:
            raise BadInput(f"architecture.{network}_file={self._file(network)}: saved by Keras {version or '?'}")
        return _WORDS[version[0]]

    def _file(self, network: str) -> str:
        return self.generator_file if network == "generator" else self.discriminator_file

    def _entry(self, network: str, name: str) -> bytes:
        path = Path(self._file(network))
        if not path.is_file():
            raise BadInput(f"architecture.{network}_file={path}: there is no such file")
        try:
            with zipfile.ZipFile(path) as archive:
                return archive.read(name)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise BadInput(f"architecture.{network}_file={path}: no file in the format .keras ({error})") from None


def _shape(shape: Any) -> str:
    """Return a shape in words, without the batch."""
    return f"({', '.join(map(str, tuple(shape)[1:]))})"


def _ends_in_sigmoid(model: Model) -> bool:
    return getattr(getattr(model.layers[-1], "activation", None), "__name__", "") == "sigmoid"


def _is_of_one_example(module: str, name: str) -> bool:
    """Return whether a class of a saved config is of Keras' public modules, and computes each example by itself."""
    is_public = module.partition(".")[0] == "keras" and ".src." not in module  # operations have private modules
    return is_public and name not in ("BatchNormalization", "Lambda")


def _classes(config: Any) -> Iterator[tuple[str, str]]:
    """Yield the module and the class of everything that a saved config holds; "" for a class of `__main__`."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str) and "module" in config:
            yield config["module"] or "", config["class_name"]
        for value in config.values():
            yield from _classes(value)
    elif isinstance(config, list):
        for value in config:
            yield from _classes(value)
