"""Start a program: by `python src/NAME.py` from a checkout, or by the command `ganfreeze NAME` from anywhere."""

import os
import sys
import warnings
from importlib import import_module

import hydra

from ganfreeze.app.command_line import checked, report_arguments, require_writable_folder
from ganfreeze.app.purposes import CONF, PURPOSES


def start(program: str) -> None:
    """Run a program with the arguments of this process, `sys.argv`, and the configs of this ganfreeze."""
    # Our configs of cluster launchers have the names of the plugins' own. Hydra checks them against the plugins' types,
    # and warns of that.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema", UserWarning)
    arguments = report_arguments(sys.argv) if program == "report" else sys.argv
    sys.argv = [sys.argv[0], *checked([program, *arguments[1:]])[1:]]
    if program == "train":
        require_writable_folder(sys.argv)
    run = import_module(f"ganfreeze.app.{program}").run
    hydra.main(version_base="1.3", config_path=str(CONF), config_name="config" if program == "train" else program)(
        run
    )()


def main() -> None:
    """Run the program that the first argument names: the command `ganfreeze`.

    `ganfreeze audit FILE:FUNCTION` is short for `ganfreeze freeze_matrix model=FILE:FUNCTION`.
    """
    match sys.argv[1:]:
        case [("-sc" | "--shell-completion"), action, *_]:
            _complete(action)
        case ["audit", model, *others] if "=" not in model and not model.startswith("-"):
            sys.argv[1:] = [f"model={model}", *others]
            start("freeze_matrix")
        case [program, *_] if program in PURPOSES:
            del sys.argv[1]
            start(program)
        case [] | ["-h" | "--help"]:
            print(_listed())
        case [word, *_]:
            there = ", ".join(("audit", *PURPOSES))
            raise SystemExit(f"ganfreeze: {word}: there is no such program; there are {there}")


def _listed() -> str:
    width = max(map(len, PURPOSES))
    lines = [
        "ganfreeze PROGRAM KEY=VALUE...",
        "",
        *(f"  {name:{width}}  {line}" for name, (line, _) in PURPOSES.items()),
        f"  {'audit':{width}}  Audit a GAN of plain Keras: ganfreeze audit my_gan.py:build",
        "",
        "ganfreeze PROGRAM --help explains all that a program takes. A first run: ganfreeze train steps=200",
    ]
    return "\n".join(lines)


def _complete(action: str) -> None:
    """Install the completion of a shell, or offer what the line that it hands over may become."""
    _, *words = os.environ.get("COMP_LINE", "").split(" ")
    if not action.startswith("query"):
        start("train")
    elif len(words) > 1 and words[0] in PURPOSES:
        start(words[0])
    else:
        print(*(name for name in ("audit", *PURPOSES) if name.startswith(words[0] if words else "")))
