import sys

import pytest

from ganfreeze.backend.tensorflow import _left_out


def test_a_package_is_left_out_unless_it_is_loaded_and_comes_back(monkeypatch):
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with _left_out("wave", "pytest"):
        with pytest.raises(ImportError):
            import wave
        assert sys.modules["pytest"] is pytest
    import wave

    assert wave.open
