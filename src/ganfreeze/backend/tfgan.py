"""TF-GAN 2.1.0 on a current TensorFlow: every workaround is here, and nowhere else.

TF-GAN subclasses the session hooks of `tf.estimator` when it is imported. TensorFlow 2.16 removed `tf.estimator`;
the hooks live on in `tf.compat.v1.train`, and nothing else of the estimators is needed for the losses and the
evaluation functions. `losses` are the functions on plain tensors (TF-GAN's `losses.wargs`), `evaluation` is TF-GAN's
`eval`, `GANModel` its tuple, `hub` the TensorFlow Hub that it loads Inception with. They are loaded on first use, as
`ganfreeze.backend.tensorflow` is. `train_ops` is its way from a GANModel to what trains it.
"""

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

from ganfreeze.backend import tensorflow as tf

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

    train = sys.modules["tensorflow_gan.python.train"]
    train.inspect = SimpleNamespace(getargspec=_getargspec)  # pyright: ignore[reportAttributeAccessIssue]
    v1.layers = SimpleNamespace(flatten=_flatten)
    return tensorflow_gan


def _getargspec(function: Callable[..., Any]) -> SimpleNamespace:
    """What `gan_loss` reads of `inspect.getargspec`, which Python 3.11 removed."""
    spec = inspect.getfullargspec(function)
    return SimpleNamespace(args=spec.args, keywords=spec.varkw)


def _flatten(tensor: Any) -> Any:
    """What `run_inception` calls of `tf.compat.v1.layers`, which Keras 3 emptied."""
    return tf.reshape(tensor, (tf.shape(tensor)[0], -1))


def train_ops(
    model: Any,
    generator_loss: Callable[[Any], Any],
    discriminator_loss: Callable[[Any], Any],
    generator_optimizer: Any,
    discriminator_optimizer: Any,
) -> Any:
    """`gan_loss`, of functions of a GANModel, and `gan_train_ops` of that: the GANTrainOps, in the current graph.

    TF-GAN asks whether tensors are `in` lists, as TensorFlow 1 could be asked; TensorFlow 2 would compare their values.
    """
    v1 = tf.compat.v1
    v1.get_collection_ref("trainable_variables").extend([*model.generator_variables, *model.discriminator_variables])
    v1.disable_tensor_equality()
    try:
        with _quiet():
            loss = _load().gan_loss(model, generator_loss, discriminator_loss, add_summaries=False)
            return _load().gan_train_ops(
                model, loss, generator_optimizer, discriminator_optimizer, check_numerics=False
            )
    finally:
        v1.enable_tensor_equality()


def sliced_wasserstein_distance(real: Any, fake: Any) -> Any:
    """TF-GAN's distance between RGB images, float32 tensors (n, side, side, 3), in the current graph: for each level of
    their pyramids that of real images to themselves and that of real to fake ones.

    TF-GAN draws patches with NumPy's global generator in Python functions of the graph that it calls stateless, so that
    TensorFlow may run them in any order, and more often than once. Here each has a state and waits for the one before
    it, so that a seed gives the same patches every time.
    """
    v1 = tf.compat.v1
    py_func, done = v1.py_func, []

    def in_order(*arguments: Any, **options: Any) -> Any:
        with tf.control_dependencies(done[-1:]):
            done.append(py_func(*arguments, **options | {"stateful": True}))
        return done[-1]

    v1.py_func = in_order
    try:
        with _quiet():
            return _load().eval.sliced_wasserstein_distance(real, fake)
    finally:
        v1.py_func = py_func


@contextmanager
def _quiet() -> Iterator[None]:
    """Without TensorFlow's warnings of what it deprecates and TF-GAN uses: v1.colocate_with, py_func."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


def __getattr__(name: str) -> Any:
    if name == "losses":
        return _load().losses.wargs
    if name == "evaluation":
        return _load().eval
    if name == "GANModel":
        return _load().GANModel
    if name == "hub":
        _load()
        return sys.modules["tensorflow_hub"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: it offers losses, evaluation, GANModel, hub")
