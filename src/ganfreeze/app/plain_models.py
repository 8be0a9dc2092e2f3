"""GANs of plain Keras: audit them, and load those that the command line names.

Names are "module:function", "file.py:function" or "file.py".
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput, Refused, interruption
from ganfreeze.proof import plain_audit, plain_gan
from ganfreeze.proof.ledger import Ledger


class PlainAudit(NamedTuple):
    """The audit of a GAN of plain Keras: what moved, the likely cause of a violation or "", and its Keras."""

    ledger: Ledger
    likely_cause: str
    keras: str

    @property
    def verdict(self) -> str:
        """The verdict: "clean", "state leaks", "constraint moved" or "violation"."""
        return self.ledger.verdict

    def __str__(self) -> str:
        return f"{self.ledger.summary()}{self.likely_cause}"


def audit(gan: Any) -> PlainAudit:
    """Audit a GAN as somebody's function returned it.

    Raises:
        Refused: its code cannot be run with this Keras.
        BadInput: it is none of the kinds that can be audited, or its own code raised an error.
    """
    plain = plain_gan.plain_gan(gan)
    ledger = call(plain_audit.audit, plain)
    return PlainAudit(ledger, plain_audit.likely_cause(plain, ledger), keras_of(plain.discriminator))


def keras_of(model: Any) -> str:
    """Return the word of the Keras that a model is of."""
    modules = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    return "keras2" if "tf_keras" in modules else "keras3"


def load_functions(word: str) -> Mapping[str, Callable[..., Any]]:
    """Return the function that `word` names, by its name; all functions of the module if it names none.

    A module is looked up in the working directory first, and a file may import others from its own folder. If no
    function is named, those that begin with an underscore, or were imported from elsewhere, are left out.

    Raises:
        BadInput: there is no such module, file or function, or it cannot be imported.
    """
    module_name, colon, name = word.rpartition(":") if ":" in word else (word, "", "")
    if colon and not (module_name and name):
        raise BadInput(f"model={word}: must be module:function or file.py:function, such as my_gan:build")
    try:
        module = _module(module_name)
    except Exception as error:  # whatever the user's code raises
        if interruption(error):
            raise
        raise BadInput(f"model={word}: {module_name} cannot be imported. {_reason(error)}") from error
    functions = {
        key: value
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
    }
    if not name and not functions:
        raise BadInput(f"model={word}: {module_name} has no function")
    if not name:
        return functions
    function = getattr(module, name, None)
    if not callable(function):
        raise BadInput(f"model={word}: {module_name} has no function {name}; it has {', '.join(functions) or 'none'}")
    return {name: function}


def takes_keras(function: Callable[..., Any]) -> bool:
    """Return whether the function has an argument `keras`: it then builds its GAN with the Keras that it gets."""
    return "keras" in inspect.signature(function).parameters


def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a function returns that runs the user's code.

    Raises:
        Refused: the code raises NotImplementedError, because it cannot be built with this Keras.
        BadInput: it raises anything else.
    """
    try:
        return function(*arguments, **options)
    except NotImplementedError as error:
        raise Refused(str(error)) from error
    except Exception as error:
        if isinstance(error, BadInput) or interruption(error):
            raise
        raise BadInput(f"its own code raised an error. {_reason(error)}") from error


def _module(name: str) -> ModuleType:
    is_file, path = name.endswith(".py"), Path(name).resolve()
    if is_file and not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    tf.version  # noqa: B018  # TensorFlow first: it is imported without its start-up messages
    sys.path.insert(0, str(path.parent if is_file else Path.cwd()))
    module = importlib.import_module(path.stem if is_file else name)
    if is_file and (module.__file__ is None or Path(module.__file__).resolve() != path):
        raise ImportError(f"another module is called {path.stem} too; give the file another name")
    return module


def _reason(error: Exception) -> str:
    """Return the class and the first line of an error. Of a traced function's error AutoGraph keeps them aside."""
    traced = getattr(error, "ag_error_metadata", None)
    text = traced.cause_message if traced else f"{type(error).__name__}: {error}"
    return text.strip().partition("\n")[0]
