"""The tab key offers what a program takes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import light
import pytest
from conftest import ROOT, words

from ganfreeze.app.completion import completions
from ganfreeze.app.program_settings import PROGRAMS, taken_keys

OF_MLP = ("discriminator_units", "dropout", "generator_units", "latent_dim", "spectral_norm")


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_empty_word_may_become_every_key_that_the_program_takes(program):
    taken = taken_keys(program)
    assert completions(program, "") == sorted(f"{key}=" for key in (*taken.groups, *taken.settings))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("stra", ["strategy="]),
        ("strategy=", [f"strategy={word}" for word in words("strategy")]),
        ("-m strategy=tape,com", ["strategy=tape,compile"]),
        ("cadence.", [f"cadence.{name}=" for name in ("audit", "evaluate", "glance", "log", "save")]),
        ("architecture.", [f"architecture.{name}=" for name in OF_MLP]),
        ("architecture=dcgan architecture.f", ["architecture.filters="]),
        ("architecture=mlp,dcgan architecture.f", ["architecture.filters="]),
        ("audit=", ["audit=error", "audit=off", "audit=record"]),
        ("deterministic=f", ["deterministic=false"]),
        ("update.judge=", ["update.judge=auto", "update.judge=inference", "update.judge=training"]),
        ("experiment=mi", ["experiment=mixtures", "experiment=mixtures_grid"]),
        ("steps=", []),
        ("nothing", []),
    ],
)
def test_a_word_is_completed(line, offered):
    assert completions("train", line) == offered


BASH = """
eval "$(python src/train.py -sc install=bash)"
COMP_LINE="$LINE"; COMP_POINT=${#LINE}; words=($LINE); COMP_CWORD=$(( ${#words[@]} - 1 ))
hydra_bash_completion
echo "${COMPREPLY[@]}"
"""
FISH = """
for program in train sample; python src/$program.py -sc install=fish | source; end
complete -C "$LINE"
"""


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("python src/train.py strategy=t", [f"strategy={word}" for word in words("strategy") if word[0] == "t"]),
        ("python src/train.py --multirun strategy=tape,com", ["strategy=tape,compile"]),
        ("python src/sample.py co", ["count="]),
        ("python src/train.py hydra.launcher.n", ["hydra.launcher.n_jobs="]),
    ],
)
def test_a_shell_completes_by_the_script_that_hydra_installs(shell, line, offered):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed: apt-get install {shell}")
    environment = {**os.environ, "LINE": line, "PYTHONPATH": str(ROOT / "src")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = {"bash": BASH, "fish": FISH}[shell]
    ended = subprocess.run([shell, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.stdout.split() == offered, ended.stderr


def test_a_query_imports_no_tensorflow(tmp_path):
    environment = {"PYTHONPATH": str(ROOT / "src"), "COMP_LINE": "python src/train.py optimizer.m"}
    ended = light.run(tmp_path, "train", "-sc", "query=bash", **environment)
    assert ended.stdout.splitlines() == [""], "adam has no momentum"
    assert not ended.imported_tensorflow
