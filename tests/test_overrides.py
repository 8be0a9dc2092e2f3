"""An override holds any text: Hydra, and a shell before it, give back what was written."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ganfreeze.overrides import quoted, typed

TEXTS = [
    *("outputs/state", "/tmp/a%20b?", "a b", "a#b", "a,b=c", "{x}[y]", "~x", "ü€", "a\nb", "x\n", "5", "", "-m"),
    *("'", "it's", 'say "a"', "$HOME/`x`;&*", "\\", "a\\b", "a\\\\b", "a\\'b", "a\\\\'b", 'a\\"b', "end\\", "end\\\\"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_back(text):
    parse = OverridesParser.create().parse_override
    assert str(parse(quoted("key", text)).value()) == text
    (argument,) = shlex.split(typed("key", text))
    assert str(parse(argument).value()) == text


def test_a_plain_path_is_typed_without_quotes():
    assert typed("state", "outputs/state") == "state=outputs/state"
