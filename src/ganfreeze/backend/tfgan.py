"""TF-GAN 2.1.0 on a current TensorFlow: all workarounds that it needs are in this file.

When TF-GAN is imported, it subclasses the session hooks of `tf.estimator`. TensorFlow 2.16 removed `tf.estimator`, but
the hooks live on in `tf.compat.v1.train`. The losses and the evaluation functions need nothing else of the estimators.

Attributes, loaded on first use like those of `ganfreeze.backend.tensorflow`:

- `losses`: the losses as functions of plain tensors (TF-GAN's `losses.wargs`);
- `evaluation`: TF-GAN's `eval`;
- `GANModel`: TF-GAN's tuple;
- `hub`: the TensorFlow Hub that TF-GAN loads Inception with.
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
        warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # a warning of tensorflow_hub
        _load_probability()
        import tensorflow_gan

    train = sys.modules["tensorflow_gan.python.train"]
    train.inspect = SimpleNamespace(getargspec=_getargspec)  # pyright: ignore[reportAttributeAccessIssue]
    v1.layers = SimpleNamespace(flatten=_flatten)
    return tensorflow_gan


def _load_probability() -> None:
    """Import TensorFlow Probability, whose covariance TF-GAN's evaluation uses, without the parts that take a second.

    It loads them at once if TensorFlow is loaded, and else when they are first used, as here.
    """
    if "tensorflow_probability" in sys.modules:
        return
    late = {f"tensorflow_probability.python.{name}": name for name in ("experimental", "layers")}
    sys.modules.update({path: ModuleType(path) for path in late})
    import tensorflow_probability
    from tensorflow_probability.python.internal.lazy_loader import LazyLoader

    for path, name in late.items():
        del sys.modules[path]
        setattr(tensorflow_probability, name, LazyLoader(name, vars(tensorflow_probability), path))


def _getargspec(function: Callable[..., Any]) -> SimpleNamespace:
    """Stand in for `inspect.getargspec`, which `gan_loss` calls and Python 3.11 removed."""
    spec = inspect.getfullargspec(function)
    return SimpleNamespace(args=spec.args, keywords=spec.varkw)


def _flatten(tensor: Any) -> Any:
    """Stand in for `tf.compat.v1.layers.flatten`, which `run_inception` calls and Keras 3 removed."""
    return tf.reshape(tensor, (tf.shape(tensor)[0], -1))


def train_ops(
    model: Any,
    generator_loss: Callable[[Any], Any],
    discriminator_loss: Callable[[Any], Any],
    generator_optimizer: Any,
    discriminator_optimizer: Any,
) -> Any:
    """Return TF-GAN's GANTrainOps for a GANModel, in the current graph: `gan_loss`, then `gan_train_ops`.

    Both losses are functions of the GANModel. TF-GAN tests whether tensors are `in` lists. In TensorFlow 1 this
    compared identities; TensorFlow 2 would compare values, so tensor equality is switched off meanwhile.
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
    """Return TF-GAN's distances between RGB images, float32 tensors (n, side, side, 3), in the current graph.

    For each level of the images' pyramids there are two: from real images to themselves, and from real to fake ones.

    TF-GAN draws patches by NumPy's global generator, in Python functions that it declares stateless. TensorFlow may run
    stateless functions in any order and more than once. Here each is declared stateful and waits for the one before it,
    so the same seed gives the same patches every time.
    """
    v1 = tf.compat.v1
    py_func, results = v1.py_func, []

    def in_order(*arguments: Any, **options: Any) -> Any:
        with tf.control_dependencies(results[-1:]):
            results.append(py_func(*arguments, **options | {"stateful": True}))
        return results[-1]

    v1.py_func = in_order
    try:
        with _quiet():
            return _load().eval.sliced_wasserstein_distance(real, fake)
    finally:
        v1.py_func = py_func


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence TensorFlow's warnings about deprecated functions that TF-GAN uses: v1.colocate_with, py_func."""
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
