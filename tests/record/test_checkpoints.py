"""Checkpoints hold everything that training changes, and damaged ones are not used."""

import logging
import random
from pathlib import Path

import numpy as np
import pytest

from ganfreeze.errors import BadInput
from ganfreeze.record import checkpoints, checksums
from ganfreeze.record.checkpoints import Checkpoints

SMALL = ("architecture=dcgan", "architecture.filters=4", "batch_size=8", "steps=100", "audit=off")


@pytest.fixture(scope="module")
def setup(build):
    return build(*SMALL, "ema=0.9")


def kept_in(folder, setup, *, last=3, best=None):
    return Checkpoints(folder, setup.variables, last=last, best=best, facts={"audit": "clean"})


def values(setup):
    return [variable.numpy().tobytes() for variable in setup.variables]


def steps(folder):
    return sorted(int(path.name[5:]) for path in folder.glob("step-*"))


def test_a_checkpoint_brings_everything_back(tmp_path, setup):
    kept = kept_in(tmp_path, setup)
    kept.save(10)
    saved = values(setup)
    setup.strategy.advance(setup.streams, 0, 2)
    assert values(setup) != saved
    assert kept.restore() == 10
    assert values(setup) == saved
    assert checkpoints.latest_facts(tmp_path)["audit"] == "clean"


@pytest.mark.parametrize("name", ["a\\b", "[a]", "a*b?", "%20#", "ü'\"\n"])
def test_checkpoints_may_be_in_a_folder_of_any_name(tmp_path, setup, name):
    kept = kept_in(tmp_path / name, setup)
    kept.save(10)
    saved = values(setup)
    setup.strategy.advance(setup.streams, 0, 1)
    assert kept.restore() == 10
    assert values(setup) == saved


def test_without_a_checkpoint_nothing_changes(tmp_path, setup):
    before = values(setup)
    assert kept_in(tmp_path / "none", setup).restore() == 0
    assert values(setup) == before
    assert checkpoints.latest_facts(tmp_path / "none") == {}


def test_the_last_ones_and_the_best_one_are_kept(tmp_path, setup):
    kept = kept_in(tmp_path, setup, last=2, best="classifier/fid")
    for step, fid in ((10, 5.0), (20, 3.0), (30, 4.0), (40, 3.0), (50, float("nan")), (60, 9.0)):
        kept.save(step)
        assert kept.is_best(step, {"classifier/fid": fid, "other": 0.0}) == (step in (10, 20))
    assert steps(tmp_path) == [20, 50, 60]
    assert not kept.is_best(70, {"other": 0.0})
    assert kept_in(tmp_path, setup, best="classifier/fid").restore(before=50) == 20


def test_a_larger_inception_score_is_better(tmp_path, setup):
    kept = kept_in(tmp_path, setup, best="classifier/inception_score")
    assert kept.is_best(10, {"classifier/inception_score": 2.0})
    assert not kept.is_best(20, {"classifier/inception_score": 1.0})
    assert kept.is_best(30, {"classifier/inception_score": 3.0})


def test_a_damaged_checkpoint_is_not_used(tmp_path, setup, caplog):
    """Each byte of the small files, and many of the large one, is changed; then each file is cut or removed."""
    kept = kept_in(tmp_path, setup)
    kept.save(10)
    saved = values(setup)
    setup.strategy.advance(setup.streams, 0, 1)
    kept.save(20)
    latest = tmp_path / "step-0000000020"
    for path in sorted(latest.iterdir()):
        content = path.read_bytes()
        places = range(0, len(content), max(1, len(content) // 40))
        mutants = [content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :] for at in places]
        for mutant in (*mutants, content[: len(content) // 2], b"", content + b"x"):
            path.write_bytes(mutant)
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                found = [each.name for each in checkpoints.intact(tmp_path)]
            if mutant.rstrip() != content.rstrip():
                assert found == ["step-0000000010"], path
                assert "is damaged and is not used" in caplog.text
        path.unlink()
        assert [each.name for each in checkpoints.intact(tmp_path)] == ["step-0000000010"]
        path.write_bytes(content)
    (latest / "state.index").write_bytes(b"")
    assert kept.restore() == 10
    assert values(setup) == saved


@pytest.mark.parametrize("name", ["state.index", "state.data-00000-of-00001", "facts.json"])
def test_a_checkpoint_that_somebody_else_made_is_refused_in_one_sentence(tmp_path, setup, name):
    """Its checksums are right, and what they are of cannot be read."""
    kept = kept_in(tmp_path, setup)
    kept.save(10)
    path = tmp_path / "step-0000000010"
    content = (path / name).read_bytes()
    for damaged in (b"", b"{}", content[:100], bytes(byte ^ 0x55 for byte in content)):
        (path / name).write_bytes(damaged)
        (path / "checksums.json").unlink()
        checksums.write(path)
        with pytest.raises(BadInput) as refusal:
            kept.restore()
        assert str(path) in str(refusal.value)
        assert len(str(refusal.value).splitlines()) == 1


def test_damaged_checkpoints_make_room_for_new_ones(tmp_path, setup):
    """With `keep.last=1` the run begins anew, and its new checkpoints are kept, although the damaged one was later."""
    kept = kept_in(tmp_path, setup, last=1)
    kept.save(50)
    (tmp_path / "step-0000000050" / "state.index").write_bytes(b"")
    assert kept.restore() == 0
    kept.save(10)
    kept.save(20)
    assert steps(tmp_path) == [20]
    assert kept.restore() == 20


def test_the_best_checkpoint_is_told_again_and_another_metric_begins_anew(tmp_path, setup):
    kept = kept_in(tmp_path, setup, best="classifier/fid")
    assert kept.is_best(10, {"classifier/fid": 5.0})
    assert kept.is_best(10, {"classifier/fid": 5.0}), "what followed it the first time may have been lost"
    assert not kept.is_best(20, {"classifier/fid": 5.0})
    other = kept_in(tmp_path, setup, best="classifier/inception_score")
    assert other.is_best(20, {"classifier/inception_score": 2.0})


def test_a_variable_that_is_not_finite_is_seen(tmp_path, setup):
    kept = kept_in(tmp_path, setup)
    assert kept.is_finite()
    variable = setup.game.networks.generator.weights[0]
    before = variable.numpy().copy()
    for value in (np.inf, np.nan):
        damaged = before.copy()
        damaged.flat[0] = value
        variable.assign(damaged)
        assert not kept.is_finite()
    variable.assign(before)
    assert kept.is_finite()


def test_an_unfinished_checkpoint_is_not_seen(tmp_path, setup):
    kept = kept_in(tmp_path, setup)
    kept.save(10)
    unfinished = tmp_path / ".abc" / "step-0000000020"
    unfinished.mkdir(parents=True)
    (unfinished / "state.index").write_bytes(b"half")
    assert kept.restore() == 10


def test_a_checkpoint_of_another_network_is_refused(tmp_path, setup, build):
    kept_in(tmp_path, setup).save(10)
    other = build("architecture=dcgan", "architecture.filters=8", "batch_size=8", "steps=100")
    with pytest.raises(BadInput, match="does not hold the state of this run"):
        kept_in(tmp_path, other).restore()


def test_a_checkpoint_that_cannot_be_written_does_not_stop_the_run(setup, caplog):
    kept_in(Path("/proc/none"), setup).save(10)
    assert "no checkpoint could be written at step 10" in caplog.text


def test_all_variables_of_the_networks_and_optimizers_are_in_it(setup):
    game = setup.game
    found = {id(variable) for variable in setup.variables}
    expected = [
        *game.networks.generator.weights,
        *game.networks.discriminator.weights,
        *game.optimizers.variables("generator"),
        *game.optimizers.variables("discriminator"),
        *game.average.variables,
    ]
    assert found >= {id(variable) for variable in expected}
    assert len(found) == len(setup.variables)
    assert any(np.issubdtype(variable.numpy().dtype, np.integer) for variable in setup.variables), "the iterations"


def _fuzz(folder, setup, files, seed):
    """Damage a file of the latest checkpoint again and again: the one before it is used, and gives its values."""
    kept, chance = kept_in(folder, setup), random.Random(seed)
    kept.save(10)
    expected = values(setup)
    kept.save(20)
    latest = folder / "step-0000000020"
    contents = {path: path.read_bytes() for path in latest.iterdir()}
    for number in range(files):
        path = chance.choice(list(contents))
        damaged = bytearray(contents[path])
        for _ in range(chance.randint(1, 4)):
            at, length = chance.randrange(len(damaged) + 1), chance.randrange(1, 200)
            match chance.randrange(4):
                case 0:
                    del damaged[at : at + length]
                case 1:
                    damaged[at:at] = chance.randbytes(length)
                case 2:
                    damaged[at : at + length] = bytes(length)
                case 3:
                    damaged = damaged[:at]
        path.write_bytes(damaged)
        names = [each.name for each in checkpoints.intact(folder)]
        assert names[-1] == "step-0000000010"
        if len(names) == 1 and number % 100 == 0:
            assert kept.restore(before=21) == 10
            assert values(setup) == expected
        elif len(names) == 2:  # nothing that was written was changed, or nothing but spaces in the checksums
            assert checkpoints.facts(latest)["audit"] == "clean"
        path.write_bytes(contents[path])


def test_damaged_checkpoints_are_not_used(tmp_path, setup):
    _fuzz(tmp_path, setup, 200, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_damaged_checkpoints(tmp_path, setup, seed):
    _fuzz(tmp_path, setup, 1000, seed)
