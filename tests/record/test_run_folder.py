"""The folder of a run says whether it runs, how it ended, and how far it came; one process holds it at a time."""

import multiprocessing
import os
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

from ganfreeze import events
from ganfreeze.errors import BadInput, Diverged
from ganfreeze.proof.ledger import Violation
from ganfreeze.record import run_folder
from ganfreeze.record.run_folder import RunFolder


def create(state, key="0" * 16):
    return run_folder.create(state, key, name="a run", owner="", identity={"seed": 1})


def test_each_run_of_a_key_has_the_next_number(tmp_path):
    first, second, other = create(tmp_path), create(tmp_path), create(tmp_path, "1" * 16)
    assert [folder.path.name for folder in (first, second, other)] == [
        f"{'0' * 16}-1",
        f"{'0' * 16}-2",
        f"{'1' * 16}-1",
    ]
    assert list(run_folder.folders(tmp_path, "0" * 16)) == [second.path, first.path]
    assert first.description["identity"] == {"seed": 1}
    assert len({folder.description["id"] for folder in (first, second, other)}) == 3


@pytest.mark.parametrize(
    ("error", "status", "hopeless"),
    [
        (None, "FINISHED", False),
        (ValueError("a bug"), "FAILED", False),
        (OSError("no space left"), "FAILED", False),
        (BadInput("no"), "FAILED", False),  # the user may set it right
        (Violation("it leaks"), "FAILED", True),
        (Diverged("NaN"), "FAILED", True),
        (KeyboardInterrupt(15), "KILLED", False),
    ],
)
def test_the_end_of_a_run_is_kept(tmp_path, error, status, hopeless):
    folder = create(tmp_path)
    with pytest.raises(type(error)) if error else nullcontext(), folder:
        folder.write(events.Started(0, 100))
        folder.write(events.Measured(40, {"loss": 1.0}))
        assert run_folder.progress(folder.path).status == "RUNNING"
        if error:
            raise error
    progress = run_folder.progress(folder.path)
    assert (progress.status, progress.step, progress.steps, progress.hopeless) == (status, 40, 100, hopeless)
    assert progress.seconds > 0
    assert str(error or "") in progress.why


def _hold(state, pipe):
    folder = create(state)
    with folder:
        folder.write(events.Started(7, 100))
        pipe.send(str(folder.path))
        pipe.recv()


def test_a_folder_is_held_by_one_process_until_it_dies(tmp_path):
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path, there))
    process.start()
    path = Path(here.recv())
    assert run_folder.progress(path).status == "RUNNING"
    assert run_folder.is_held(path)
    assert not RunFolder(path).acquire()
    with pytest.raises(BadInput, match="another process trains this run now"), RunFolder(path):
        pass
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    progress = run_folder.progress(path)
    assert (progress.status, progress.step) == ("KILLED", 7)
    with RunFolder(path) as again:
        again.write(events.Started(7, 100))
        assert run_folder.progress(path).status == "RUNNING"


def test_the_seconds_of_all_processes_are_added(tmp_path):
    folder = create(tmp_path)
    with folder:
        pass
    first = run_folder.progress(folder.path).seconds
    with RunFolder(folder.path):
        pass
    assert run_folder.progress(folder.path).seconds > first


def test_a_damaged_note_of_the_progress_is_no_progress(tmp_path):
    folder = create(tmp_path)
    folder.release()
    for content in (b"", b"{", b"[]", b'{"status": 5}', b'{"other": 1}', b"\xff"):
        (folder.path / "progress.json").write_bytes(content)
        assert run_folder.progress(folder.path).step == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"paths\.state=/proc/x: a folder for the run cannot be made"):
        create(Path("/proc/x"))
