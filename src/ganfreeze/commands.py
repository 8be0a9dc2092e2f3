"""Commands as the user types them: `python src/train.py` in a checkout, `ganfreeze train` of an installed package."""

import re
import shlex
import sys
from pathlib import Path

# An installed package holds its own configs. A checkout has them at the top, where `src/` is.
IS_INSTALLED = (Path(__file__).parent / "conf").is_dir()


def as_typed(text: str) -> str:
    """Return a text in which programs are called as the user starts them.

    An installed package has no `src/`: `python src/train.py` becomes `ganfreeze train` there.
    """
    return re.sub(r"(?:python )?\bsrc/(\w+)\.py", r"ganfreeze \1", text) if IS_INSTALLED else text


def typed_command() -> str:
    """Return the command that started this process, without its interpreter; `ganfreeze` without its folder."""
    program, *arguments = sys.orig_argv[1:]
    return shlex.join([Path(program).name if IS_INSTALLED else program, *arguments])
