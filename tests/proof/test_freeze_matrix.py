"""The freeze matrix, cell by cell: the audit measures today what it measured before on these versions."""

import csv
import io

import pytest
from conftest import bits, words

from ganfreeze.errors import Refused
from ganfreeze.proof import audit
from ganfreeze.record.report import freeze_matrix

# Whether the discriminator's (weights, averages) move.
MOVES, STILL, LEAKS = (True, True), (False, False), (False, True)

# strategy: {(keras, mode): ((weights, averages) in the discriminator phase, the same in the generator phase)}
PLACES = [("keras2", "graph"), ("keras2", "eager"), ("keras3", "graph"), ("keras3", "eager")]
EVERYWHERE = dict.fromkeys(PLACES, (MOVES, STILL))
LEAKING = dict.fromkeys(PLACES, (MOVES, LEAKS))
KERAS3 = [place for place in PLACES if place[0] == "keras3"]
MATRIX = {
    "compile": EVERYWHERE | dict.fromkeys(KERAS3, (STILL, STILL)),
    "unfrozen": dict.fromkeys(PLACES, (MOVES, MOVES)),
    "trace": EVERYWHERE | {("keras3", "eager"): (STILL, STILL)},
    "toggle": EVERYWHERE,
    "recompile": EVERYWHERE,
    "reverse": EVERYWHERE | dict.fromkeys(KERAS3, (MOVES, MOVES)),
    "tape": LEAKING,
    "train_step": LEAKING,
    "tfgan": {place: LEAKING[place] for place in PLACES if place[1] == "graph"},
}


@pytest.mark.parametrize("place", PLACES, ids="-".join)
@pytest.mark.parametrize("strategy", words("strategy"))
def test_the_audit_finds_what_a_cell_says(build, strategy, place):
    keras, mode = place
    eager = {"graph": "false", "eager": "true"}[mode]
    overrides = f"strategy={strategy}", f"keras={keras}", f"eager={eager}", "batch_size=8"
    expected = MATRIX[strategy].get(place)
    if expected is None:
        with pytest.raises(Refused, match="does not go with"):
            build(*overrides)
        return
    game, mechanism, streams = build(*overrides, "architecture=dcgan", "architecture.filters=4")
    before = bits(game)
    ledger = audit.audit(mechanism, game, streams)
    assert bits(game) == before, "everything is restored"
    assert ledger.advance_error < 1e-4
    assert not any(entry.role == "held" for entry in ledger.entries)
    measured = tuple(
        tuple(ledger.moved(phase, "discriminator", kind) for kind in ("weights", "state"))
        for phase in ("discriminator", "generator")
    )
    assert measured == expected
    assert (ledger.verdict == "violation") == (not measured[0][0] or measured[1][0])


CELLS = [
    freeze_matrix.Cell("tape", "keras2", "graph", True, True, False, True, "state leaks"),
    freeze_matrix.Cell("tape", "keras3", "graph", False, False, True, False, "violation"),
    freeze_matrix.Cell("tfgan", "keras2", "graph", True, False, False, False, "clean"),
    freeze_matrix.Cell(
        "tfgan", "keras3", "graph", None, None, None, None, "refused", "strategy=tfgan does not go with ..."
    ),
]


def test_the_matrix_as_markdown():
    rows = [line.strip("| ").split(" | ") for line in freeze_matrix.markdown(CELLS).splitlines()]
    assert rows[0][1:] == [f"{keras} graph: {phase} phase" for keras in ("keras2", "keras3") for phase in "DG"]
    assert rows[2] == ["`tape`", "w, bn move", "bn moves", "**still**", "**w move**"]
    assert rows[3] == ["`tfgan`", "w move", "still", "refused", "refused"]


def test_the_matrix_as_csv():
    rows = list(csv.DictReader(io.StringIO(freeze_matrix.table(CELLS))))
    assert [row["mechanism"] for row in rows] == ["tape", "tape", "tfgan", "tfgan"]
    assert rows[3]["refused"].startswith("strategy=tfgan")
    assert (rows[0]["generator_phase_weights"], rows[0]["generator_phase_state"]) == ("False", "True")
