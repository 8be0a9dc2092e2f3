"""Audit a GAN that was written with plain Keras, as it stands: which variables move in which phase.

The GAN may be one of two kinds. Either two calls train it, one for each phase, such as two of `train_on_batch`. Then
the variables are compared before and after each call. Or a `keras.Model` trains both networks in its own `train_step`.
Then each optimizer of the model is watched: every update that it makes ends one phase, and a copy of all variables is
made there, also inside a traced function.

Only Keras, TensorFlow, NumPy and pydantic are needed here, so that old versions of Keras can be audited too.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MethodType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput
from ganfreeze.gan.inspection import layers
from ganfreeze.proof.audit import OwnedVariable, differing, owned_by, shared_variables, variable_name
from ganfreeze.proof.ledger import Entry, Ledger
from ganfreeze.proof.snapshot import values
from ganfreeze.types import Model, PhaseName, Variable

_BATCH = 16
_STEPS = 4  # some optimizers act only on every second call
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


def audit(gan: PlainGan) -> Ledger:
    """Train a few steps, and return what each phase moved, over all of these steps.

    One step comes before, because what a train function does may depend on when it was traced. Nothing is restored.
    """
    networks: dict[PhaseName, Model] = {"generator": gan.generator, "discriminator": gan.discriminator}
    gan.step([])
    owned: list[OwnedVariable] = []
    for name, model in networks.items():
        owned += owned_by(name, model, weights=_weights_without_flags(model))
    owned += _slots(gan.optimizers)
    intervals = [part for _ in range(_STEPS) for part in gan.step([each.variable for each in owned])]
    entries: dict[tuple[PhaseName, int], Entry] = {}
    for phase, before, after in intervals:
        for number, entry in enumerate(differing(phase, owned, before, after)):
            key = phase, number
            largest = max(entry.moved, entries[key].moved) if key in entries else entry.moved
            count = max(entry.elements, entries[key].elements) if key in entries else entry.elements
            entries[key] = entry._replace(moved=largest, elements=count)
    faults = list(shared_variables(gan.generator, gan.discriminator))
    faults += [f"no update trains the {name}" for name in networks if name not in {phase for phase, _, _ in intervals}]
    ledger = Ledger(list(entries.values()), faults, None)
    # An optimizer that counts steps may still apply nothing, for example if it accumulates gradients of two networks.
    still = [
        f"in the {name} phase the {name} did not move in {_STEPS} steps, although its optimizer counted them"
        for name in networks
        if not ledger.moved(name, name, "weights") and ledger.stepped(name)
    ]
    return replace(ledger, faults=[*faults, *still])


def likely_cause(gan: PlainGan, ledger: Ledger) -> str:
    """Return what most often causes such a violation, and what to do; "" if there is none."""
    still = not ledger.moved("discriminator", "discriminator", "weights")
    if still and not gan.discriminator.trainable:
        return (
            "Likely cause: the discriminator's `trainable` is False. Keras 2 reads the flag in compile(), Keras 3 when "
            "it traces a train function, at the first batch. Set it to True before compile() and before each batch of "
            "the discriminator, and to False for the combined model; or train with a tf.GradientTape."
        )
    if ledger.moved("generator", "discriminator", "weights"):
        return (
            "Likely cause: the discriminator's `trainable` was True when the combined model was compiled (Keras 2) or "
            "traced (Keras 3), or an optimizer got variables of both networks."
        )
    return ""


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


class _OwnTrainStep(PlainGan):
    """A model with its own `train_step`, whose optimizers are watched."""

    def __init__(self, model: Any, data: Any = None) -> None:
        self.generator, self.discriminator = model.generator, model.discriminator
        if data is None:
            shape = (_BATCH, *_input_shape(self.discriminator))
            data = tf.data.Dataset.from_tensors(np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32))
        self._model, self._data = model, data.repeat()
        self._updates: list[tuple[PhaseName, Any]] = []
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
            self._copies = [[tf.Variable(variable.numpy()) for variable in variables] for _ in self._updates]
        traced, self._updates = self._updates, []
        before = values(variables)
        self._model.fit(self._data, steps_per_epoch=1, verbose=0)
        self._updates = self._updates or traced  # the copies of a traced step have new values
        intervals = []
        for phase, copies in self._updates:
            after = values(copies)
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
        copies = self._copies[len(self._updates)] if self._watched else []
        for copy, variable in zip(copies, self._watched, strict=True):
            copy.assign(tf.convert_to_tensor(variable))
        self._updates.append((phase, copies))
        self._trained[phase] = optimizer


def _weights_without_flags(model: Model) -> Sequence[Variable]:
    """Return the weights that would train if all flags of the model's layers were True. The flags are left as found."""
    flags = [(layer, layer.trainable) for layer in (model, *layers(model))]
    model.trainable = True
    weights = list(model.trainable_variables)
    for layer, flag in flags:
        layer.trainable = flag
    return weights


def _slots(optimizers: Mapping[PhaseName, Any]) -> Iterator[OwnedVariable]:
    """Yield the variables of the optimizers. Of a shared one only its counters are listed, as the generator's."""
    names: Sequence[PhaseName] = ("generator", "discriminator")
    of_both = {name: _variables_of(optimizers.get(name)) for name in names}
    generator_ids, discriminator_ids = ({id(variable) for variable in of_both[name]} for name in names)
    shared = generator_ids & discriminator_ids
    for name in names:
        for variable in of_both[name]:
            if id(variable) not in shared or (name == "generator" and len(variable.shape) == 0):
                yield OwnedVariable(name, "slots", variable_name(variable), variable)


def _variables_of(optimizer: Any) -> Sequence[Variable]:
    variables: Any = () if optimizer is None else optimizer.variables
    return list(variables() if isinstance(variables, MethodType) else variables)  # a method in `optimizers.legacy`


def _input_shape(model: Model) -> Sequence[int]:
    """Return the shape of one example. Raises BadInput if random examples cannot be made for this model."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or None in shape[1:] or not all(isinstance(size, int) for size in shape[1:]):
        raise BadInput(
            f"{model.name} has inputs of shape {shape}, so its batches cannot be made here: return train calls without "
            "arguments, or a keras.Model and a tf.data.Dataset"
        )
    return shape[1:]
