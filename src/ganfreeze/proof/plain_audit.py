"""Audit a GAN that was written with plain Keras, as it stands: which variables move in which phase.

Only Keras, TensorFlow, NumPy and pydantic are needed here, so that old versions of Keras can be audited too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ganfreeze.gan.inspection import layers
from ganfreeze.gan.optimizer.base import Optimizers
from ganfreeze.proof.audit import OwnedVariable, differing, owned_by, shared_variables, variable_name
from ganfreeze.proof.ledger import Entry, Ledger
from ganfreeze.proof.plain_gan import PlainGan
from ganfreeze.types import Model, PhaseName, Variable

_NETWORKS: tuple[PhaseName, PhaseName] = ("generator", "discriminator")
STEPS = 4  # some optimizers act only on every second call


def audit(gan: PlainGan) -> Ledger:
    """Train a few steps, and return what each phase moved, over all of these steps.

    One step comes before, because what a train function does may depend on when it was traced. If an optimizer scales
    its loss, steps come before until it takes one. Nothing is restored.
    """
    networks: dict[PhaseName, Model] = {"generator": gan.generator, "discriminator": gan.discriminator}
    skipped = _settle(gan)
    owned: list[OwnedVariable] = []
    for name, model in networks.items():
        owned += owned_by(name, model, weights=_weights_without_flags(model))
    owned += _slots(gan)
    intervals = [part for _ in range(STEPS) for part in gan.step([each.variable for each in owned])]
    entries: dict[tuple[PhaseName, int], Entry] = {}
    for phase, before, after in intervals:
        for number, entry in enumerate(differing(phase, owned, before, after)):
            key = phase, number
            entries[key] = _largest(entries.get(key, entry), entry)
    faults = list(shared_variables(gan.generator, gan.discriminator))
    faults += [f"no update trains the {name}" for name in networks if name not in {phase for phase, _, _ in intervals}]
    ledger = Ledger(list(entries.values()), faults, None, skipped)
    # An optimizer that counts steps may still apply nothing, for example if it accumulates gradients of two networks.
    still = [
        f"in the {name} phase the {name} did not move in {STEPS} steps, although its optimizer counted them"
        for name in networks
        if not ledger.moved(name, name, "weights") and ledger.stepped(name)
    ]
    return replace(ledger, faults=[*faults, *still])


def _settle(gan: PlainGan) -> Mapping[PhaseName, int]:
    """Train until no scale of a loss falls, and return how many steps each optimizer skipped: each halved its scale."""
    skipped: dict[PhaseName, int] = {}
    while True:
        before = _scales(gan)
        gan.step([])
        after = _scales(gan)
        if not before and after:  # an optimizer that is built in its first step had no scale before
            continue
        halved: dict[PhaseName, int] = {
            name: max(0, round(np.log2(before[name] / scale))) for name, scale in after.items() if scale
        }
        if not any(halved.values()):
            return skipped
        for name, count in halved.items():
            skipped[name] = skipped.get(name, 0) + count


def _scales(gan: PlainGan) -> Mapping[PhaseName, float]:
    """Return the present scale of each optimizer that scales its loss."""
    states: dict[PhaseName, Sequence[Variable]] = {name: _optimizers(gan).scale_state(name) for name in _NETWORKS}
    return {name: float(state[0].numpy()) for name, state in states.items() if state}


def _optimizers(gan: PlainGan) -> Optimizers:
    return Optimizers(gan.optimizers.get("generator"), gan.optimizers.get("discriminator"))


def _largest(first: Entry, second: Entry) -> Entry:
    """Return the entry of two steps together. A kernel that an optimizer moved in either is one of the weights."""
    kind = "weights" if "weights" in (first.kind, second.kind) else first.kind
    moved, elements = max(first.moved, second.moved), max(first.elements, second.elements)
    return first._replace(kind=kind, moved=moved, elements=elements)


def likely_cause(gan: PlainGan, ledger: Ledger) -> str:
    """Return what most often causes such a violation, and what to do; "" if there is none."""
    still = not ledger.moved("discriminator", "discriminator", "weights")
    if still and not gan.discriminator.trainable_weights:
        whose = "the discriminator's layers" if gan.discriminator.trainable else "the discriminator"
        return (
            f"Likely cause: `trainable` of {whose} is False. Keras 2 reads the flag in compile(), Keras 3 when "
            "it traces a train function, at the first batch. Set it to True before compile() and before each batch of "
            "the discriminator, and to False for the combined model; or train with a tf.GradientTape."
        )
    if ledger.moved("generator", "discriminator", "weights"):
        return (
            "Likely cause: the discriminator's `trainable` was True when the combined model was compiled (Keras 2) or "
            "traced (Keras 3), or an optimizer got variables of both networks."
        )
    if ledger.stepped("generator") and not ledger.moved("generator", "generator", "weights"):
        return (
            "Likely cause: the combined model holds a copy of the generator. Models that were saved in several files "
            "share no weights after loading: take both networks from the loaded combined model."
        )
    return ""


def _weights_without_flags(model: Model) -> Sequence[Variable]:
    """Return the weights that would train if all flags of the model's layers were True. The flags are left as found."""
    flags = [(layer, layer.trainable) for layer in (model, *layers(model))]
    model.trainable = True
    weights = list(model.trainable_variables)
    for layer, flag in flags:
        layer.trainable = flag
    return weights


def _slots(gan: PlainGan) -> Iterator[OwnedVariable]:
    """Yield the variables of the optimizers. The counters of a shared one are listed as the generator's."""
    optimizers = _optimizers(gan)
    owners = {id(weight): name for name in _NETWORKS for weight in getattr(gan, name).weights}
    owners_of_slots = {id(slot): owners.get(id(weight), "generator") for slot, weight in _slots_of_weights(gan)}
    for name in _NETWORKS:
        for variable in optimizers.variables(name):
            if not optimizers.shared or owners_of_slots.get(id(variable), "generator") == name:
                yield OwnedVariable(name, "slots", variable_name(variable), variable)


def _slots_of_weights(gan: PlainGan) -> Iterator[tuple[Variable, Variable]]:
    """Yield each slot and its weight. An optimizer has lists of slots, each in the order of its weights."""
    weights = [*gan.generator.weights, *gan.discriminator.weights]
    by_key = {getattr(weight, "_unique_id", None): weight for weight in weights}
    for optimizer in gan.optimizers.values():
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if keys := getattr(optimizer, "_index_dict", None):  # Keras 2
            trained = [by_key.get(key) for key in sorted(keys, key=keys.get)]
        else:
            trained = getattr(optimizer, "_trainable_variables", [])
        for value in vars(optimizer).values():
            if isinstance(value, list) and value is not trained and len(value) == len(trained):
                yield from zip(value, trained, strict=True)
