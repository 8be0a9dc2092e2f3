"""Updates: the calls of a step, and that every mechanism makes them, against closed forms."""

from dataclasses import asdict
from itertools import combinations

import numpy as np
import pytest
from conftest import words

from ganfreeze.backend.keras import keras2, keras3
from ganfreeze.errors import BadInput
from ganfreeze.gan.optimizer.base import Optimizers
from ganfreeze.gan.update.alternating import Alternating
from ganfreeze.gan.update.base import Call, Update
from ganfreeze.gan.update.extragradient import Extragradient
from ganfreeze.gan.update.keras_gan import KerasGan
from ganfreeze.gan.update.optimistic import Optimistic
from ganfreeze.gan.update.simultaneous import Simultaneous
from ganfreeze.strategy.engine.phases import METRICS

RATE = 0.2
SOUND = [  # all mechanisms that freeze the right network
    (strategy, keras)
    for strategy in words("strategy")
    for keras in words("keras")
    if strategy != "unfrozen" and (strategy, keras) not in {("compile", "keras3"), ("reverse", "keras3")}
]


def calls(**options):
    """Return the calls of a step in short: "g2 d1" is a generator phase on real batch 2 and discriminator noise 1."""
    return [f"{call.phase[0]}{call.real} {call.noise[0][0]}{call.noise[1]}" for call in Update(**options).calls()]


# ------------------------------------------------------------------------------------------ the calls of a step


def test_a_call_names_its_phase_its_batch_and_its_noise():
    assert list(Update().calls()) == [
        Call("discriminator", 0, ("discriminator", 0)),
        Call("generator", 0, ("generator", 0)),
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["d0 d0", "g0 g0"]),
        ({"order": "generator_first"}, ["g0 g0", "d0 d0"]),
        ({"order": "simultaneous"}, ["d0 d0", "g0 g0"]),
        ({"discriminator_steps": 3}, ["d0 d0", "d1 d1", "d2 d2", "g2 g2"]),
        ({"discriminator_steps": 3, "generator_steps": 2}, ["d0 d0", "d1 d1", "d2 d2", "g1 g1", "g2 g2"]),
        ({"generator_steps": 3}, ["d0 d0", "g0 g0", "g0 g1", "g0 g2"]),
        ({"discriminator_steps": 2, "order": "generator_first"}, ["g1 g1", "d0 d0", "d1 d1"]),
        ({"noise": "reused"}, ["d0 d0", "g0 d0"]),
        ({"noise": "reused", "discriminator_steps": 2}, ["d0 d0", "d1 d1", "g1 d1"]),
        ({"noise": "reused", "order": "simultaneous"}, ["d0 d0", "g0 d0"]),
        ({"batches": "split", "fakes": "inference"}, ["d0 d0", "g0 g0"]),
        ({"order": "simultaneous", "extrapolation": "extragradient"}, ["d0 d0", "g0 g0", "d1 d1", "g1 g1"]),
        (
            {"order": "simultaneous", "extrapolation": "extragradient", "noise": "reused"},
            ["d0 d0", "g0 d0", "d1 d1", "g1 d1"],
        ),
        ({"order": "simultaneous", "extrapolation": "optimistic"}, ["d0 d0", "g0 g0"]),
    ],
)
def test_the_calls_of_a_step(options, expected):
    assert calls(**options) == expected


@pytest.mark.parametrize(
    ("options", "discriminator", "generator"),
    [
        ({}, 1, 1),
        ({"discriminator_steps": 3}, 3, 1),
        ({"generator_steps": 4}, 1, 4),
        ({"batches": "split"}, 2, 1),
        ({"batches": "split", "discriminator_steps": 3, "generator_steps": 2}, 6, 2),
        ({"order": "simultaneous", "extrapolation": "extragradient"}, 2, 2),
        ({"order": "simultaneous", "extrapolation": "extragradient", "optimizers": "shared"}, 4, 4),
        ({"extrapolation": "optimistic"}, 1, 1),
        ({"optimizers": "shared"}, 2, 2),
        ({"optimizers": "shared", "batches": "split", "discriminator_steps": 3, "generator_steps": 2}, 8, 8),
    ],
)
def test_iterations_count_every_call_of_the_optimizer(options, discriminator, generator):
    update = Update(**options)
    assert (update.iterations("discriminator"), update.iterations("generator")) == (discriminator, generator)


def test_the_options_are_settings_of_one_algorithm():
    assert asdict(Alternating()) == asdict(Update())
    assert asdict(KerasGan()) == asdict(Update(batches="split", fakes="inference"))
    assert asdict(Simultaneous()) == asdict(Update(order="simultaneous"))
    assert asdict(Extragradient()) == asdict(Update(order="simultaneous", extrapolation="extragradient"))
    assert asdict(Optimistic()) == asdict(Update(order="simultaneous", extrapolation="optimistic"))
    assert words("update") == ["alternating", "extragradient", "keras_gan", "optimistic", "simultaneous"]


@pytest.mark.parametrize("options", [{"discriminator_steps": 2}, {"generator_steps": 2}])
def test_simultaneous_steps_update_each_network_once(options):
    with pytest.raises(BadInput, match="must both be 1"):
        Simultaneous(**options)


@pytest.mark.parametrize("order", ["discriminator_first", "generator_first"])
def test_an_extragradient_step_extrapolates_both_networks_at_once(order):
    with pytest.raises(BadInput, match=f"update.order={order} must be simultaneous"):
        Extragradient(order=order)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("discriminator_steps=2",),
        ("noise=reused",),
        ("order=generator_first",),
        ("order=simultaneous", "extrapolation=extragradient"),
    ],
)
@pytest.mark.parametrize("fused_steps", [1, 5])
def test_every_call_gets_its_own_batch_and_noise(variant, options, fused_steps):
    """They are recorded where the phases run, also in the loop, and are compared with the streams bit for bit."""
    choice = ("strategy=tape", "eager=true", f"fused_steps={fused_steps}")
    _, strategy, streams = variant("evaluator=none", *choice, *(f"update.{option}" for option in options))
    recorded = []

    def record(phase):
        def run(real, latent, *_):
            recorded.append((phase.name, real, latent))
            return dict.fromkeys(METRICS, 0.0)

        return phase._replace(train=run)

    strategy._inner = {name: record(phase) for name, phase in strategy.phases.items()}
    strategy.advance(streams, 7, 2)
    pairs = (option.split("=") for option in options)
    update = Update(**{key: int(value) if value.isdigit() else value for key, value in pairs})
    expected = [(call, step) for step in (7, 8) for call in update.calls()]
    assert [name for name, _, _ in recorded] == [call.phase for call, _ in expected]
    for (_, real, latent), (call, step) in zip(recorded, expected, strict=True):
        np.testing.assert_array_equal(real, streams.batch(step, call.real))
        np.testing.assert_array_equal(latent, streams.noise(step, *call.noise))


# ------------------------------------------------------------------------ the Dirac GAN, which has closed forms


@pytest.fixture(scope="module")
def dirac(variant):
    """Train theta and psi for some steps; return both after each step."""

    def dirac(strategy, keras, *overrides, steps=3):
        choice = (
            f"strategy={strategy}",
            f"keras={keras}",
            "dataset=dirac",
            "architecture=dirac",
            "evaluator=none",
            "optimizer=sgd",
            f"optimizer.generator_rate={RATE}",
            f"optimizer.discriminator_rate={RATE}",
            "loss=minimax",
            *overrides,
        )
        networks, mechanism, streams = variant(*choice)
        path, pair = [], (networks.generator, networks.discriminator)
        for step in range(steps):
            mechanism.advance(streams, step, 1)
            path.append([float(network.weights[0].numpy().item()) for network in pair])
        return np.array(path)

    return dirac


def sigmoid_of_fake(theta, psi):
    return 1 / (1 + np.exp(-psi * theta))  # real examples are 0: their logit is 0 and has no gradient


def gradients(theta, psi):
    """Return the gradients of both losses.

    They are those of -log(1 + exp(psi theta)), the generator's loss, by theta, and of log(1 + exp(psi theta)), the
    discriminator's loss, by psi.
    """
    return -psi * sigmoid_of_fake(theta, psi), theta * sigmoid_of_fake(theta, psi)


def closed_form(trace, steps=3, rule=None):
    """Return (theta, psi) after each step. The trace is such as "DG", "=" for both at once, "&" for extragradient.

    `rule(phase, gradient)` gives the step of a weight; by default that of gradient descent.
    """
    rule = rule or (lambda phase, gradient: -RATE * gradient)
    at, path = np.array([1.0, -1.0]), []

    def moves(point):
        return np.array([rule(phase, gradient) for phase, gradient in zip("GD", gradients(*point), strict=True)])

    for _ in range(steps):
        for phase in trace:
            if phase in "GD":
                number = "GD".index(phase)
                at[number] += rule(phase, gradients(*at)[number])
            else:
                at = at + moves(at + moves(at) if phase == "&" else at)
        path.append(at.copy())
    return np.array(path)


def optimistic(rule):
    """Return the rule whose step is twice that of `rule`, less the last one."""
    last = {"G": 0.0, "D": 0.0}

    def twice_less_the_last(phase, gradient):
        before, last[phase] = last[phase], rule(phase, gradient)
        return 2 * last[phase] - before

    return twice_less_the_last


def descent(phase, gradient):
    return -RATE * gradient


def test_the_traces_can_be_told_apart():
    ends = [closed_form(trace)[-1] for trace in ("DG", "GD", "=", "&", "GGGDD", "DDDGG")]
    ends += [closed_form(trace, rule=optimistic(descent))[-1] for trace in ("DG", "GD", "=")]
    for a, b in combinations(ends, 2):
        assert np.abs(a - b).max() > 1e-3


@pytest.mark.parametrize(("strategy", "keras"), SOUND)
def test_every_mechanism_takes_simultaneous_steps(dirac, strategy, keras):
    path = dirac(strategy, keras, "update=simultaneous")
    np.testing.assert_allclose(path, closed_form("="), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("strategy", "keras"), SOUND)
def test_every_mechanism_takes_extragradient_steps(dirac, strategy, keras):
    """Both halves of a step see the same data here, because all real examples are 0 and no latent vector matters."""
    path = dirac(strategy, keras, "update=extragradient", "precision=float64")
    np.testing.assert_allclose(path, closed_form("&"), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("order", "trace"), [("simultaneous", "="), ("discriminator_first", "DG"), ("generator_first", "GD")]
)
@pytest.mark.parametrize(("strategy", "keras"), SOUND)
def test_every_mechanism_takes_optimistic_steps(dirac, strategy, keras, order, trace):
    path = dirac(strategy, keras, "update=optimistic", f"update.order={order}", "precision=float64")
    np.testing.assert_allclose(path, closed_form(trace, rule=optimistic(descent)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("strategy", "keras"), [("tape", "keras2"), ("toggle", "keras3"), ("tfgan", "keras3")])
def test_several_updates_in_an_optimistic_step(dirac, strategy, keras):
    """Each call of an optimizer is a step of its own."""
    options = ("update.discriminator_steps=3", "update.generator_steps=2", "update.order=discriminator_first")
    path = dirac(strategy, keras, "update=optimistic", *options, "precision=float64")
    np.testing.assert_allclose(path, closed_form("DDDGG", rule=optimistic(descent)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("strategy", "keras"), [("tape", "keras2"), ("train_step", "keras3"), ("toggle", "keras3")])
def test_bounds_hold_ahead_and_after_an_extragradient_step(dirac, strategy, keras):
    """The projected step: w' = P(w - h F(w)), then P(w - h F(w')). The bound of psi is 0.9, and it starts from -1."""
    clip = ("regularizer=weight_clip", "regularizer.bound=0.9", "update=extragradient", "precision=float64")
    (theta, psi), path = (1.0, -1.0), []
    for _ in range(3):
        by_theta, by_psi = gradients(theta, psi)
        by_theta, by_psi = gradients(theta - RATE * by_theta, np.clip(psi - RATE * by_psi, -0.9, 0.9))
        theta, psi = theta - RATE * by_theta, np.clip(psi - RATE * by_psi, -0.9, 0.9)
        path.append((theta, psi))
    np.testing.assert_allclose(dirac(strategy, keras, *clip), path, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "trace"),
    [
        ("update.order=discriminator_first", "DG"),
        ("update.generator_steps=3 update.discriminator_steps=2 update.order=generator_first", "GGGDD"),
        ("update.generator_steps=2 update.discriminator_steps=3 update.batches=split", "DDDGG"),
    ],
)
@pytest.mark.parametrize(("strategy", "keras"), [("tape", "keras2"), ("toggle", "keras3"), ("train_step", "keras3")])
def test_several_updates_in_a_step(dirac, strategy, keras, options, trace):
    path = dirac(strategy, keras, *options.split())
    np.testing.assert_allclose(path, closed_form(trace), rtol=0, atol=1e-6)


# ------------------------------------------------------------------------------------------- a shared optimizer


def adam_rule(*, shared=False, rate=0.05, beta1=0.5, beta2=0.75, epsilon=1e-7):
    """Return the rule of Adam (Kingma & Ba 2015). A shared optimizer counts the calls of both networks."""
    calls, moments = {"D": 0, "G": 0}, {"D": (0.0, 0.0), "G": (0.0, 0.0)}

    def rule(phase, gradient):
        for counter in calls if shared else phase:
            calls[counter] += 1
        first, second = moments[phase]
        moments[phase] = beta1 * first + (1 - beta1) * gradient, beta2 * second + (1 - beta2) * gradient**2
        first, second = moments[phase]
        scale = np.sqrt(1 - beta2 ** calls[phase]) / (1 - beta1 ** calls[phase])
        return -rate * scale * first / (np.sqrt(second) + epsilon)

    return rule


def adam(*, shared, steps):
    """Return (theta, psi) after each step of Adam, the generator first."""
    return closed_form("GD", steps, rule=adam_rule(shared=shared))


ADAM = (
    "optimizer=adam",
    "optimizer.generator_rate=0.05",
    "optimizer.discriminator_rate=0.05",
    "optimizer.beta1=0.5",
    "optimizer.beta2=0.75",  # 1 - 0.999 would have too large a rounding error in single precision
    "update.order=generator_first",
)


@pytest.mark.parametrize(("strategy", "keras"), SOUND)
def test_a_shared_optimizer_counts_the_updates_of_both_networks(dirac, strategy, keras):
    path = dirac(strategy, keras, *ADAM, "update.optimizers=shared")
    np.testing.assert_allclose(path, adam(shared=True, steps=3), rtol=0, atol=1e-6)


def test_separate_optimizers_count_their_own_updates(dirac):
    np.testing.assert_allclose(dirac("tape", "keras2", *ADAM), adam(shared=False, steps=3), rtol=0, atol=1e-6)
    assert np.abs(adam(shared=False, steps=3) - adam(shared=True, steps=3)).max() > 1e-3


@pytest.mark.parametrize(("strategy", "keras"), SOUND)
@pytest.mark.parametrize("update", ["extragradient", "optimistic"])
def test_adam_becomes_extra_adam_and_optimistic_adam(dirac, strategy, keras, update):
    """Extra-Adam updates its moments in both halves (Gidel et al. 2019, algorithm 4)."""
    rule, trace = (adam_rule(), "&") if update == "extragradient" else (optimistic(adam_rule()), "=")
    path = dirac(strategy, keras, *ADAM[:-1], f"update={update}", "precision=float64")
    np.testing.assert_allclose(
        path, closed_form(trace, rule=rule), rtol=0, atol=1e-6
    )  # Keras: beta in single precision


def test_a_shared_optimizer_is_optimistic_too(dirac):
    path = dirac("tape", "keras2", *ADAM, "update=optimistic", "update.optimizers=shared", "precision=float64")
    expected = closed_form("GD", rule=optimistic(adam_rule(shared=True)))
    np.testing.assert_allclose(path, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("strategy", "keras"), [("unfrozen", "keras2"), ("reverse", "keras3"), ("compile", "keras3")])
def test_the_controls_train_with_a_shared_optimizer_too(dirac, strategy, keras):
    """They compute something else, but the optimizer knows all variables."""
    path = dirac(strategy, keras, *ADAM, "update.optimizers=shared", steps=2)
    assert np.isfinite(path).all()
    assert (path[0] != path[1])[0], "the generator moves"


@pytest.mark.parametrize(
    ("load", "error", "message"),
    [(keras2.load, KeyError, "cannot recognize variable"), (keras3.load, ValueError, "Unknown variable")],
)
def test_keras_itself_refuses_one_optimizer_for_two_models(load, error, message):
    """Keras-GAN's code fails since Keras 2.11: an optimizer knows only the variables of its first use."""
    keras = load()
    first, second = (keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)]) for _ in range(2))
    batch, labels = np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)

    def train(optimizer):
        for model in (first, second):
            model.compile(optimizer=optimizer, loss="mse", jit_compile=False)
            model.train_on_batch(batch, labels)

    with pytest.raises(error, match=message):
        train(keras.optimizers.Adam(0.1))

    shared = keras.optimizers.Adam(0.1)
    optimizers = Optimizers(shared, shared)
    assert optimizers.shared
    optimizers.build(
        generator=[*first.trainable_variables, *second.trainable_variables],
        discriminator=second.trainable_variables,
    )
    before = second.get_weights()[0]
    train(shared)
    assert (second.get_weights()[0] != before).all()
