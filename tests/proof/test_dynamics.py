"""The Dirac-GAN: published values, closed forms, and every strategy that can play it."""

import csv

import numpy as np
import pytest
from conftest import ROOT, words

from ganfreeze.errors import BadInput, Refused
from ganfreeze.proof import dynamics, published
from ganfreeze.record.report import dynamics_table

PUBLISHED = ROOT / "experiments" / "freezing" / "published.csv"
ANCHORS = published.read(PUBLISHED)
RADII = [anchor for anchor in ANCHORS if anchor.quantity == "spectral_radius"]
NORMS = [anchor for anchor in ANCHORS if anchor.quantity == "norm_after_500"]


def title(anchor):
    return f"{anchor.variant}-{anchor.update}"


def closed_form(anchor):
    """Return the spectral radius, from the trace and determinant of the one-step map, worked out by hand.

    Let h = 0.2, c = h f'(0), a = 1 - h gamma f'(0)^2 (consensus) and b = a - h gamma (r1). Simultaneous steps have the
    trace a + b and the determinant ab + c^2. Alternating steps have the trace a + b^n - c^2 (1 + b + ... + b^(n-1)) and
    the determinant a b^n.
    """
    h, slope = 0.2, 1.0 if anchor.variant.startswith("wgan") else 0.5
    gamma = float(anchor.variant.partition("(")[2].rstrip(")") or 0)
    a = 1 - h * gamma * slope**2 if anchor.variant.startswith("consensus") else 1.0
    b = a - h * gamma * ("r1" in anchor.variant)
    c = h * slope
    count = int(anchor.update.partition("_")[2] or 0)
    trace, determinant = a + b, a * b + c * c
    if count:
        trace, determinant = a + b**count - c * c * sum(b**k for k in range(count)), a * b**count
    return np.abs(np.roots([1, -trace, determinant])).max()


def test_the_repository_holds_the_shared_anchors():
    """If the published values lie beside the repository, they are the same as those in it."""
    shared = ROOT.parent / "shared" / "anchors" / "dirac.csv"
    rows = list(csv.DictReader((shared if shared.exists() else PUBLISHED).open()))
    assert [published.PublishedValue(**row) for row in rows] == ANCHORS
    assert len(RADII) == 15
    assert len(NORMS) == 14


@pytest.mark.parametrize("anchor", RADII, ids=title)
def test_the_published_radii_are_the_closed_forms(anchor):
    assert anchor.agrees(closed_form(anchor))
    assert not anchor.agrees(closed_form(anchor) + 3e-4)


def measure(build, anchor, *overrides):
    game, strategy, streams = build("precision=float64", *anchor.overrides(), *overrides)
    return dynamics.measure(anchor.quantity, strategy, game, streams)


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("strategy", words("strategy"))
def test_every_strategy_has_the_published_radii(build, strategy, keras):
    """Strategies that do not freeze what they should have other radii."""
    wrong = strategy == "unfrozen" or (strategy, keras) in {("compile", "keras3"), ("reverse", "keras3")}
    agreeing = []
    for anchor in RADII:
        try:
            radius = measure(build, anchor, f"strategy={strategy}", f"keras={keras}")
        except Refused as error:
            assert f"strategy={strategy} does not go with" in str(error)
            continue
        agreeing.append(anchor.agrees(radius))
        if not wrong:
            assert radius == pytest.approx(closed_form(anchor), abs=1e-6), anchor
    assert len(agreeing) >= 6
    assert all(agreeing) != wrong


@pytest.mark.parametrize("anchor", NORMS, ids=title)
def test_published_norms(build, anchor):
    norm = measure(build, anchor, "strategy=train_step", "keras=keras2", "fused_steps=100")
    assert anchor.agrees(norm), norm


@pytest.mark.parametrize("place", [("tape", "keras3"), ("toggle", "keras3"), ("compile", "keras2")], ids="-".join)
def test_published_norms_by_other_strategies(build, place):
    anchor = next(anchor for anchor in NORMS if title(anchor) == "wgan_clip1-alternating_1")
    assert anchor.agrees(measure(build, anchor, f"strategy={place[0]}", f"keras={place[1]}"))


def test_the_start_has_the_sign_of_the_paper(build):
    """The paper's discriminator gives fakes higher logits than real data, ours lower. So its (1, 1) is (1, -1) here."""
    anchor = next(anchor for anchor in NORMS if title(anchor) == "gan-alternating_5")
    assert not anchor.agrees(measure(build, anchor, "strategy=train_step", "architecture.psi=1.0"))


BILINEAR = ROOT / "experiments" / "bilinear"
GAMES = published.read(BILINEAR / "closed_forms.csv")


def bilinear_closed_form(anchor):
    """Return the radius of min over x, max over y of x y from the polynomial whose roots are the eigenvalues of a step.

    The README of the experiment derives them. h = 0.2 is the step and b the momentum.
    """
    h, b = 0.2, float(anchor.variant.partition("(")[2].rstrip(")") or 0)
    at_rest = np.polymul([1, -1], [1, -b])  # (L - 1) (L - b)
    polynomials = {
        "simultaneous": np.polyadd(np.polymul(at_rest, at_rest), [h**2, 0, 0]),
        "alternating": np.polyadd(np.polymul(at_rest, at_rest), [h**2, 0, 0, 0]),
        "extragradient": np.polyadd(np.polymul([1, h**2 - 1], [1, h**2 - 1]), [h**2]),
        "optimistic": np.polyadd([1, -2, 1, 0, 0], h**2 * np.polymul([2, -1], [2, -1])),
        "optimistic_alternating": np.polyadd([1, -2, 1, 0], h**2 * np.polymul([2, -1], [2, -1])),
    }
    return np.abs(np.roots(polynomials[anchor.update])).max()


@pytest.mark.parametrize("anchor", GAMES, ids=title)
def test_the_radii_of_the_bilinear_game_are_the_closed_forms(anchor):
    assert anchor.agrees(bilinear_closed_form(anchor))
    assert not anchor.agrees(bilinear_closed_form(anchor) + 3e-4)


def test_radii_have_closed_forms_without_roots():
    radius = {title(anchor): bilinear_closed_form(anchor) for anchor in GAMES}
    h = 0.2
    assert radius["bilinear-simultaneous"] == pytest.approx(np.sqrt(1 + h**2), abs=1e-12)
    assert radius["bilinear-extragradient"] == pytest.approx(np.sqrt((1 - h**2) ** 2 + h**2), abs=1e-12)
    assert radius["bilinear-optimistic"] == pytest.approx(np.sqrt((1 + np.sqrt(1 - 4 * h**2)) / 2), abs=1e-12)
    converging = [name for name, value in radius.items() if value < 1 - 1e-3]
    assert converging == [
        "bilinear-extragradient",
        "bilinear-optimistic",
        "bilinear-optimistic_alternating",
        "bilinear+momentum(-0.5)-alternating",
    ]


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("strategy", words("strategy"))
def test_every_strategy_has_the_radii_of_the_bilinear_game(build, strategy, keras):
    """They are those that the experiment recorded, too. Strategies that do not freeze what they should have others."""
    wrong = strategy == "unfrozen" or (strategy, keras) in {("compile", "keras3"), ("reverse", "keras3")}
    recorded = {row["name"]: row for row in csv.DictReader((BILINEAR / "expected.csv").open())}
    agreeing = []
    for anchor in GAMES:
        radius = measure(build, anchor, f"strategy={strategy}", f"keras={keras}")
        agreeing.append(abs(radius - bilinear_closed_form(anchor)) < 1e-4)
        row = recorded.get(f"{anchor.variant} {anchor.update} {strategy} {keras}")
        if row:
            assert radius == pytest.approx(float(row["measured"]), abs=1e-9)
            assert (row["expected"], float(row["tolerance"])) == (anchor.value, 1e-4)
    assert all(agreeing) != wrong


def test_the_recorded_radii_agree():
    rows = list(csv.DictReader((BILINEAR / "expected.csv").open()))
    assert len(rows) == 9 * 12
    assert all(abs(float(row["measured"]) - float(row["expected"])) < float(row["tolerance"]) for row in rows)


@pytest.mark.parametrize("order", ["discriminator_first", "generator_first"])
def test_the_radii_do_not_depend_on_which_network_comes_first(build, order):
    for anchor in GAMES:
        if anchor.update.endswith("alternating"):
            radius = measure(build, anchor, "strategy=tape", f"update.order={order}")
            assert radius == pytest.approx(bilinear_closed_form(anchor), abs=1e-6)


def test_a_bad_update_of_the_bilinear_game_is_refused():
    with pytest.raises(BadInput, match="no such variant or update"):
        published.PublishedValue("bilinear", "optimistic_sideways", "spectral_radius", "1", "").overrides()


def test_values_agree_within_their_published_digits():
    rounded = published.PublishedValue("gan+r1(0.3)", "simultaneous", "norm_after_500", "2.6e-6", "")
    assert rounded.agrees(2.6427e-6), "1.6% more, and the same two digits"
    assert not rounded.agrees(2.66e-6)
    assert not published.PublishedValue("gan", "simultaneous", "norm_after_500", "3.097", "").agrees(3.13)


def test_bad_anchors_are_refused(tmp_path):
    with pytest.raises(BadInput, match="a CSV file with the columns variant, update"):
        published.read(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="a CSV file with the columns"):
        published.read(tmp_path / "other.csv")
    with pytest.raises(BadInput, match="no such variant or update of the Dirac-GAN"):
        published.PublishedValue("began", "simultaneous", "spectral_radius", "1", "").overrides()


def test_the_table():
    place = ("gan", "simultaneous", "spectral_radius")
    rows = [
        dynamics_table.Row(*place, "tape", "keras2", "1.004988", 1e-4, 1.0049876, True, ""),
        dynamics_table.Row(*place, "compile", "keras3", "1.004988", 1e-4, 1.0, False, ""),
        dynamics_table.Row(*place, "tfgan", "keras3", "1.004988", 1e-4, None, None, "does not go with"),
    ]
    assert dynamics_table.markdown(rows).splitlines()[2] == (
        "| gan | simultaneous | spectral_radius | 1.004988 | 1.00499 | **1** | refused |"
    )
    assert len(dynamics_table.table(rows).splitlines()) == 4
