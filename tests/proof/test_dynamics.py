"""The Dirac-GAN: published figures, closed forms, and every strategy that can play it."""

import csv
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, words

from ganfreeze.errors import BadInput, Refused
from ganfreeze.proof import dynamics
from ganfreeze.record.report import dynamics_table

PUBLISHED = ROOT / "experiments" / "freezing" / "published.csv"
ANCHORS = dynamics.read(PUBLISHED)
RADII = [anchor for anchor in ANCHORS if anchor.quantity == "spectral_radius"]
NORMS = [anchor for anchor in ANCHORS if anchor.quantity == "norm_after_500"]


def called(anchor):
    return f"{anchor.variant}-{anchor.update}"


def closed_form(anchor):
    """The spectral radius from the trace and determinant of the one-step map, by hand.

    With h = 0.2, c = h f'(0), a = 1 - h gamma f'(0)^2 (consensus) and b = a - h gamma (r1): simultaneous steps have
    trace a + b and determinant ab + c^2, alternating ones a + b^n - c^2 (1 + b + ... + b^(n-1)) and a b^n.
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


def test_the_shared_anchors_are_these():
    """Where the published figures lie beside the repository, they are the ones that it holds."""
    shared = ROOT.parent / "shared" / "anchors" / "dirac.csv"
    rows = list(csv.DictReader((shared if shared.exists() else PUBLISHED).open()))
    assert [dynamics.Anchor(**row) for row in rows] == ANCHORS
    assert len(RADII) == 15
    assert len(NORMS) == 14


@pytest.mark.parametrize("anchor", RADII, ids=called)
def test_the_published_radii_are_the_closed_forms(anchor):
    assert anchor.agrees(closed_form(anchor))
    assert not anchor.agrees(closed_form(anchor) + 3e-4)


def measured(assemble, anchor, *chosen):
    game, strategy, streams = assemble("precision=float64", *anchor.overrides(), *chosen)
    return dynamics.measure(anchor.quantity, strategy, game, streams)


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("strategy", words("strategy"))
def test_every_strategy_has_the_published_radii(assemble, strategy, keras):
    """Those that do not freeze what they should have others."""
    wrong = strategy == "unfrozen" or (strategy, keras) in {("compile", "keras3"), ("reverse", "keras3")}
    agreeing = []
    for anchor in RADII:
        try:
            found = measured(assemble, anchor, f"strategy={strategy}", f"keras={keras}")
        except Refused as error:
            assert f"strategy={strategy} does not go with" in str(error)
            continue
        agreeing.append(anchor.agrees(found))
        if not wrong:
            assert found == pytest.approx(closed_form(anchor), abs=1e-6), anchor
    assert len(agreeing) >= 6
    assert all(agreeing) != wrong


@pytest.mark.parametrize("anchor", NORMS, ids=called)
def test_published_norms(assemble, anchor):
    found = measured(assemble, anchor, "strategy=train_step", "keras=keras2")
    assert anchor.agrees(found), found


@pytest.mark.parametrize("place", [("tape", "keras3"), ("toggle", "keras3"), ("compile", "keras2")], ids="-".join)
def test_published_norms_by_other_strategies(assemble, place):
    anchor = next(each for each in NORMS if called(each) == "wgan_clip1-alternating_1")
    assert anchor.agrees(measured(assemble, anchor, f"strategy={place[0]}", f"keras={place[1]}"))


def test_the_start_has_the_papers_sign(assemble):
    """The paper's discriminator rates fakes higher than real data, ours lower: its (1, 1) is (1, -1) here."""
    anchor = next(each for each in NORMS if called(each) == "gan-alternating_5")
    assert not anchor.agrees(measured(assemble, anchor, "strategy=train_step", "architecture.psi=1.0"))


def test_figures_agree_within_their_printed_digits():
    rounded = dynamics.Anchor("gan+r1(0.3)", "simultaneous", "norm_after_500", "2.6e-6", "")
    assert rounded.agrees(2.6427e-6), "1.6% more, and the same two digits"
    assert not rounded.agrees(2.66e-6)
    assert not dynamics.Anchor("gan", "simultaneous", "norm_after_500", "3.097", "").agrees(3.13)


def test_bad_anchors_are_refused(tmp_path):
    with pytest.raises(BadInput, match="a CSV file with the columns variant, update"):
        dynamics.read(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="a CSV file with the columns"):
        dynamics.read(tmp_path / "other.csv")
    with pytest.raises(BadInput, match="no Dirac-GAN that is known"):
        dynamics.Anchor("began", "simultaneous", "spectral_radius", "1", "").overrides()


def test_the_table():
    place = ("gan", "simultaneous", "spectral_radius")
    rows = [
        dynamics_table.Row(*place, "tape", "keras2", "1.004988", 1.0049876, True, ""),
        dynamics_table.Row(*place, "compile", "keras3", "1.004988", 1.0, False, ""),
        dynamics_table.Row(*place, "tfgan", "keras3", "1.004988", None, None, "does not go with"),
    ]
    assert dynamics_table.markdown(rows).splitlines()[2] == (
        "| gan | simultaneous | spectral_radius | 1.004988 | 1.00499 | **1** | refused |"
    )
    assert len(dynamics_table.table(rows).splitlines()) == 4


def test_nothing_of_this_is_far_from_the_root():
    assert Path(PUBLISHED).is_relative_to(ROOT)
