"""A journal keeps what was appended, whatever happens to the process, the disk or parts of the file."""

import os
import random
import resource
import signal
from contextlib import contextmanager
from zlib import crc32

import pytest

from ganfreeze.record import journal
from ganfreeze.record.journal import Journal
from ganfreeze.record.run_journal import RunJournal

RECORDS = [{"n": n, "values": {"loss": n / 7, "ü": float(n)}} for n in range(20)]


@pytest.fixture
def written(tmp_path):
    """Write a journal of twenty records; return its path."""
    kept = Journal(tmp_path / "journal")
    for record in RECORDS:
        kept.append(record)
    return tmp_path / "journal"


def test_records_are_read_as_they_were_written(written):
    assert list(journal.read(written)) == RECORDS


def test_every_truncation_keeps_all_whole_records(written):
    content = written.read_bytes()
    ends = [position + 1 for position, byte in enumerate(content) if byte == ord("\n")]
    for length in range(len(content) + 1):
        written.write_bytes(content[:length])
        assert list(journal.read(written)) == RECORDS[: sum(end <= length for end in ends)]


def test_every_changed_byte_costs_at_most_two_records(written):
    """A changed line end joins two lines. No record is ever read that was not written."""
    content = written.read_bytes()
    for position in range(len(content)):
        written.write_bytes(content[:position] + bytes([content[position] ^ 0x15]) + content[position + 1 :])
        found = list(journal.read(written))
        assert len(found) >= len(RECORDS) - 2
        assert all(record in RECORDS for record in found)


@pytest.mark.parametrize("cut", [1, 5, 9, 20])
def test_a_process_that_goes_on_after_a_torn_line_loses_nothing_more(written, cut):
    content = written.read_bytes()
    written.write_bytes(content[:-cut])
    Journal(written).append({"n": 20})
    assert list(journal.read(written)) == [*RECORDS[:-1], {"n": 20}]


@contextmanager
def no_more_than(size):
    """Let this process write no file larger than `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [0, 1, 10, 17, 34, 50])
def test_records_that_find_no_room_are_written_when_there_is_room_again(written, room):
    """A file that may not grow stands for a full disk: a part of a record is written, then nothing."""
    kept = Journal(written)
    with no_more_than(written.stat().st_size + room):
        for n in (20, 21, 22):
            kept.append({"n": n})
        assert kept.unwritten > 0
        assert kept.problem
        before = list(journal.read(written))
        assert before == [*RECORDS, {"n": 20}, {"n": 21}, {"n": 22}][: len(before)]
    kept.append({"n": 23})
    assert (kept.unwritten, kept.problem) == (0, "")
    assert list(journal.read(written)) == [*RECORDS, *({"n": n} for n in (20, 21, 22, 23))]


def test_a_full_disk_is_said(tmp_path):
    (tmp_path / "journal").symlink_to("/dev/full")
    kept = Journal(tmp_path / "journal")
    kept.append({"n": 1})
    kept.append({"n": 2})
    assert kept.unwritten == 2
    assert os.strerror(28) in kept.problem


@pytest.mark.parametrize(
    "content", [b"[1]", b'"text"', b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b'{"a": 1}garbage', b"NaN", b"null"]
)
def test_lines_of_somebody_else_with_right_checksums_are_left_out(tmp_path, content):
    good = b'{"n":1}'
    lines = [b"%08x %s\n" % (crc32(each), each) for each in (content, good)]
    (tmp_path / "journal").write_bytes(b"".join(lines))
    assert list(journal.read(tmp_path / "journal")) == [{"n": 1}]


@pytest.mark.parametrize(
    "content",
    [
        {"a": 1},
        {"n": 2, "time": 0},
        {"n": "2", "time": 0, "kind": "resume"},
        {"n": 2, "time": 0, "kind": "other"},
        {"n": 2, "time": 0, "kind": ["tags"]},
        {"n": 2, "time": 0, "kind": "tags", "values": 7},
        {"n": 2, "time": 0, "kind": "metrics", "values": {"loss": 1.0}, "step": "x"},
        {"n": 2, "time": 0, "kind": "file", "path": "../../secret", "to": ""},
        {"n": 2, "time": 0, "kind": "file", "path": "/etc/hostname", "to": ""},
        {"n": 2, "time": 0, "kind": "tags", "values": {}, "path": "/etc/hostname"},
    ],
)
def test_records_that_no_run_writes_are_left_out(tmp_path, content):
    """Their checksums are right; a file outside the run's folder would be brought to MLflow."""
    good = {"n": 1, "time": 0, "kind": "file", "path": "files/config.yaml", "to": ""}
    kept = Journal(tmp_path / "journal")
    kept.append(content)
    kept.append(good)
    assert RunJournal(tmp_path, after=0).earlier == [good]


def _mutated(content, chance):
    """Change a journal: bytes, lengths, checksums, lines out of order, pieces of it in other places."""
    content = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at, length = chance.randrange(len(content) + 1), chance.randrange(1, 60)
        match chance.randrange(7):
            case 0:
                del content[at : at + length]
            case 1:
                content[at:at] = chance.randbytes(length)
            case 2:
                content[at:at] = content[at : at + length]
            case 3:
                content[at : at + 1] = b"\n"
            case 4:
                content[at : at + 8] = b"%08x" % chance.getrandbits(32)
            case 5:
                text = bytes(chance.choices(b'{}[]":,0123456789eE+-.ntfnull\\u', k=length))
                content[at:at] = b"\n%08x %s\n" % (crc32(text), text)
            case 6:
                content = content[at:] + content[:at]
        content = content or bytearray(b"x")
    return bytes(content)


def _fuzz(path, files, seed):
    whole, chance, read = path.read_bytes(), random.Random(seed), 0
    for _ in range(files):
        path.write_bytes(_mutated(whole, chance))
        for record in journal.read(path):
            assert isinstance(record, dict)
            read += record in RECORDS
    assert read > files, "most records of most files are whole"


def test_damaged_journals_are_read_as_far_as_they_are_whole(written):
    _fuzz(written, 300, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_damaged_journals(written, seed):
    _fuzz(written, 1000, seed)
