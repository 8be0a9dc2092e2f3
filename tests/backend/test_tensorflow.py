import gc
import sys

import pytest

from ganfreeze.backend.tensorflow import _collector_paused, _left_out


def test_a_package_is_left_out_unless_it_is_loaded_and_comes_back(monkeypatch):
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with _left_out("wave", "pytest"):
        with pytest.raises(ImportError):
            import wave
        assert sys.modules["pytest"] is pytest
    import wave

    assert wave.open


def test_the_collector_is_spared_what_was_loaded():
    before = gc.get_freeze_count()
    with _collector_paused():
        assert not gc.isenabled()
        loaded = [[]]
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    assert loaded
    gc.disable()
    try:
        with _collector_paused():
            pass
        assert not gc.isenabled(), "it stays as it was"
    finally:
        gc.enable()
