"""A GAN that was written with plain Keras, trained step by step, and what each of its phases does to all variables.

There are two kinds. Either two calls train it, one for each phase, such as two of `train_on_batch`. Then the variables
are compared before and after each call. Or a `keras.Model` trains both networks in its own `train_step`. Then each
optimizer of the model is watched: every update that it makes ends one phase, and a copy of all variables is made there,
also inside a traced function.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput
from ganfreeze.proof.snapshot import values
from ganfreeze.types import Model, PhaseName, Variable

_BATCH = 16
_EXPECTED = (
    "it must return either (generator, discriminator, combined, train_discriminator, train_generator), where the last "
    "two are functions (real, latent) and (latent), or both without arguments, and combined may be a dict of the "
    "optimizers, by discriminator and generator, if there is no such model; or a keras.Model with its own "
    "train_step and with attributes generator and discriminator, compiled; or such a model and a tf.data.Dataset"
)

_Values = Sequence[NDArray[Any]]


class Interval(NamedTuple):
    """What one phase did: the values of all variables before it and after it."""

    phase: PhaseName
    before: _Values
    after: _Values


class PlainGan(ABC):
    """A GAN of plain Keras: its networks, its optimizers by the network that they train, and one training step."""

    generator: Model
    discriminator: Model

    @property
    @abstractmethod
    def optimizers(self) -> Mapping[PhaseName, Any]:
        """The optimizers that are known, by network; the same one may be there twice."""

    @abstractmethod
    def step(self, variables: Sequence[Variable]) -> Sequence[Interval]:
        """Train one step, and return what each phase did to these variables, in order."""


def plain_gan(returned: Any) -> PlainGan:
    """Return the GAN that a user's function returned.

    Raises:
        BadInput: it is none of the kinds that can be audited.
    """
    if isinstance(returned, tuple) and len(returned) == 5:
        return _TwoCalls(*returned)
    model, *data = returned if isinstance(returned, tuple) else (returned,)
    if len(data) > 1 or not all(hasattr(model, name) for name in ("train_step", "generator", "discriminator")):
        raise BadInput(f"{_EXPECTED}; not {returned!r}")
    return _OwnTrainStep(model, *data)


class _TwoCalls(PlainGan):
    """Two calls, one for each phase."""

    def __init__(
        self,
        generator: Model,
        discriminator: Model,
        combined: Model | Mapping[PhaseName, Any],
        train_discriminator: Callable[..., Any],
        train_generator: Callable[..., Any],
    ) -> None:
        if not (hasattr(generator, "weights") and hasattr(discriminator, "weights")):
            raise BadInput(f"{_EXPECTED}; the first two are {generator!r} and {discriminator!r}")
        if not (callable(train_discriminator) and callable(train_generator)):
            raise BadInput(f"{_EXPECTED}; the last two are {train_discriminator!r} and {train_generator!r}")
        if isinstance(combined, Mapping) and combined.keys() - {"discriminator", "generator"}:
            raise BadInput(f"{_EXPECTED}; the third has the keys {', '.join(map(str, combined))}")
        self.generator, self.discriminator, self._combined = generator, discriminator, combined
        self._calls: dict[PhaseName, Callable[..., Any]] = {
            "discriminator": train_discriminator,
            "generator": train_generator,
        }
        self._random = np.random.default_rng(0)

    @property
    def optimizers(self) -> Mapping[PhaseName, Any]:
        if isinstance(self._combined, Mapping):
            return self._combined
        compiled: dict[PhaseName, Any] = {"discriminator": self.discriminator, "generator": self._combined}
        return {name: model.optimizer for name, model in compiled.items() if getattr(model, "optimizer", None)}

    def step(self, variables: Sequence[Variable]) -> Sequence[Interval]:
        intervals = []
        for phase, call in self._calls.items():
            before = values(variables)
            call(*self._arguments(phase, call))
            intervals.append(Interval(phase, before, values(variables)))
        return intervals

    def _arguments(self, phase: PhaseName, call: Callable[..., Any]) -> Sequence[NDArray[np.float32]]:
        """Return random examples in [-1, 1] and random latent vectors, as many as the call takes."""
        wanted, most = len(inspect.signature(call).parameters), {"discriminator": 2, "generator": 1}[phase]
        if wanted not in (0, most):
            raise BadInput(f"train_{phase} takes {wanted} arguments; {_EXPECTED}")
        latent = self._random.standard_normal((_BATCH, *_input_shape(self.generator))).astype(np.float32)
        return [] if not wanted else [latent] if phase == "generator" else [self._examples(), latent]

    def _examples(self) -> NDArray[np.float32]:
        return self._random.uniform(-1, 1, (_BATCH, *_input_shape(self.discriminator))).astype(np.float32)


class _Copies(NamedTuple):
    """Copies of all variables after one update, and whether the update was made in this step: 1 or 0."""

    variables: Sequence[Variable]
    made: Variable


class _OwnTrainStep(PlainGan):
    """A model with its own `train_step`, whose optimizers are watched."""

    def __init__(self, model: Any, data: Any = None) -> None:
        self.generator, self.discriminator = model.generator, model.discriminator
        if not (data is None or isinstance(data, tf.data.Dataset)):
            raise BadInput(f"{_EXPECTED}; the second is {type(data).__name__}")
        if data is None:
            shape = (_BATCH, *_input_shape(self.discriminator))
            data = tf.data.Dataset.from_tensors(np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32))
        self._model, self._data = model, data.repeat()
        self._copies: Sequence[_Copies] = ()
        self._updates: list[PhaseName] = []  # the phase of each update of a step
        self._trained: dict[PhaseName, Any] = {}
        self._watched: Sequence[Variable] = ()
        optimizers = {id(value): value for value in vars(model).values() if hasattr(value, "apply_gradients")}
        if not optimizers:
            raise BadInput(f"{type(model).__name__} has no optimizer as an attribute: compile it first; {_EXPECTED}")
        for optimizer in optimizers.values():
            self._watch(optimizer)

    @property
    def optimizers(self) -> Mapping[PhaseName, Any]:
        return self._trained

    def step(self, variables: Sequence[Variable]) -> Sequence[Interval]:
        if len(variables) != len(self._watched):
            self._watched, self._model.train_function = variables, None  # trace again, with copies of these
            # A traced function must not create variables, so there are copies for all updates of the last step.
            self._copies = [
                _Copies([tf.Variable(variable.numpy()) for variable in variables], tf.Variable(0))
                for _ in self._updates
            ]
        for copies in self._copies:
            copies.made.assign(0)
        traced, self._updates = self._updates, []
        before = values(variables)
        self._model.fit(self._data, steps_per_epoch=1, verbose=0)
        self._updates = self._updates or traced  # a traced step is not traced again; its copies have new values
        if self._watched and len(self._updates) > len(self._copies):
            raise BadInput("one train_step makes more updates than the one before, so its updates cannot be told apart")
        intervals = []
        for phase, copies in zip(self._updates, self._copies, strict=False):
            if not copies.made.numpy():  # for example in a branch that was not taken
                continue
            after = values(copies.variables)
            intervals.append(Interval(phase, before, after))
            before = after
        if intervals:  # what moved after the last update belongs to its phase
            intervals[-1] = intervals[-1]._replace(after=values(variables))
        return intervals

    def _watch(self, optimizer: Any) -> None:
        """Copy all variables after each update of this optimizer."""
        if hasattr(optimizer, "apply"):  # Keras 3, where apply_gradients() calls it
            apply = optimizer.apply

            def watched_apply(grads: Any, trainable_variables: Any = None) -> Any:
                result = apply(grads, trainable_variables)
                trained = optimizer._trainable_variables if trainable_variables is None else trainable_variables
                self._end_phase(optimizer, trained)
                return result

            optimizer.apply = watched_apply
        else:
            apply_gradients = optimizer.apply_gradients

            def watched_apply_gradients(grads_and_vars: Any, *arguments: Any, **options: Any) -> Any:
                pairs = list(grads_and_vars)
                result = apply_gradients(pairs, *arguments, **options)
                self._end_phase(optimizer, [variable for _, variable in pairs])
                return result

            optimizer.apply_gradients = watched_apply_gradients

    def _end_phase(self, optimizer: Any, trained: Sequence[Variable]) -> None:
        """Copy all variables. The phase is the generator's if its update trained any variable of the generator."""
        of_generator = {id(variable) for variable in self.generator.weights}
        phase = "generator" if any(id(variable) in of_generator for variable in trained) else "discriminator"
        if len(self._updates) < len(self._copies):
            copies = self._copies[len(self._updates)]
            copies.made.assign(1)
            for copy, variable in zip(copies.variables, self._watched, strict=True):
                copy.assign(tf.convert_to_tensor(variable))
        self._updates.append(phase)
        self._trained[phase] = optimizer


def _input_shape(model: Model) -> Sequence[int]:
    """Return the shape of one example. Raises BadInput if random examples cannot be made for this model."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or None in shape[1:] or not all(isinstance(size, int) for size in shape[1:]):
        raise BadInput(
            f"{model.name} has inputs of shape {shape}, so its batches cannot be made here: return train calls without "
            "arguments, or a keras.Model and a tf.data.Dataset"
        )
    return shape[1:]
