"""TF-GAN 2.1.0 on a current TensorFlow: every workaround is here, and nowhere else.

TF-GAN subclasses the session hooks of `tf.estimator` when it is imported. TensorFlow 2.16 removed `tf.estimator`;
the hooks live on in `tf.compat.v1.train`, and nothing else of the estimators is needed for the losses and the
evaluation functions. `losses` are the functions on plain tensors (TF-GAN's `losses.wargs`), `evaluation` is TF-GAN's
`eval`. Both are loaded on first use, as `ganfreeze.tensorflow` is.
"""

import sys
import warnings
from functools import cache
from types import ModuleType
from typing import Any

from ganfreeze import tensorflow as tf

_HOOKS = ("SessionRunHook", "SessionRunArgs", "SessionRunContext", "SessionRunValues")


@cache
def _load() -> ModuleType:
    v1 = tf.compat.v1
    estimator = ModuleType("tensorflow.estimator")
    for hook in _HOOKS:
        setattr(estimator, hook, getattr(v1.train, hook))
    sys.modules["tensorflow"].estimator = estimator  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules["tensorflow_gan.python.estimator"] = ModuleType("tensorflow_gan.python.estimator")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # says tensorflow_hub
        import tensorflow_gan

    return tensorflow_gan


def __getattr__(name: str) -> Any:
    if name == "losses":
        return _load().losses.wargs
    if name == "evaluation":
        return _load().eval
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: it offers losses and evaluation")
