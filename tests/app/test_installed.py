"""The wheel, in an environment of its own: the command `ganfreeze` works in any folder, without a checkout."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from conftest import CONF, GAN, ROOT, TINY

from ganfreeze.app.purposes import PURPOSES, purpose


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the `bin` of an environment with our wheel; every other package is the one that the tests use."""
    base = tmp_path_factory.mktemp("installed")
    source, environment = base / "source", base / "environment"
    source.mkdir()
    for name in ("src", "conf", "experiments"):  # a copy: a build leaves files in its folder
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    run(base, *pip, "wheel", "--no-deps", "--no-build-isolation", "-w", base, source)
    run(base, sys.executable, "-m", "venv", "--without-pip", environment)
    [packages] = environment.glob("lib/python*/site-packages")
    ours = Path(sysconfig.get_path("purelib"))
    (packages / "a.pth").write_text(
        f"{ours}\n"
    )  # its own .pth files, such as that of an editable ganfreeze, do not count
    if (hook := ours / "distutils-precedence.pth").exists():
        shutil.copy(hook, packages)
    run(base, *pip, "--python", environment / "bin" / "python", "install", "--no-deps", *base.glob("*.whl"))
    return environment / "bin"


def run(folder, *command, fails=False, **environment):
    """Run a command to its end, without our checkout on its path, and return what it printed."""
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    done = subprocess.run([*map(str, command)], cwd=folder, env=outside, capture_output=True, text=True)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout + done.stderr


def test_the_wheel_holds_every_config_and_is_what_is_imported(installed, tmp_path):
    code = "import ganfreeze, sys; print(ganfreeze.__file__, 'tensorflow' in sys.modules)"
    path, tensorflow = run(tmp_path, installed / "python", "-c", code).split()
    assert Path(path).is_relative_to(installed.parent)
    assert tensorflow == "False"
    packaged = Path(path).parent / "conf"
    files = [file.relative_to(CONF) for file in CONF.rglob("*") if file.is_file()]
    assert len(files) > 60
    assert all((packaged / file).read_bytes() == (CONF / file).read_bytes() for file in files)


def test_the_command_lists_its_programs_and_explains_them(installed, tmp_path):
    listed = run(tmp_path, installed / "ganfreeze", "--help")
    assert all(f"  {name} " in listed for name in (*PURPOSES, "audit"))
    explained = run(tmp_path, installed / "ganfreeze", "sample", "--help")
    assert "ganfreeze sample run=RUN_ID" in explained
    assert "src/" not in explained
    assert "trian: there is no such program" in run(tmp_path, installed / "ganfreeze", "trian", fails=True)
    typo = run(tmp_path, installed / "ganfreeze", "train", "strateg=tape", fails=True)
    assert typo.startswith("ganfreeze: strateg: ganfreeze train has no such key; the nearest are strategy")


def test_the_tab_key_completes_programs_and_keys(installed, tmp_path):
    def offered(line):
        return run(tmp_path, installed / "ganfreeze", "-sc", "query=bash", COMP_LINE=line).split()

    assert offered("ganfreeze sw") == ["sweeps"]
    assert offered("ganfreeze train strategy=ta") == ["strategy=tape"]
    assert "complete" in run(tmp_path, installed / "ganfreeze", "-sc", "install=bash")


def test_a_sweep_is_trained_sampled_from_and_reported_on(installed, tmp_path):
    words = ("strategy=tape,compile", "steps=20", "evaluator=none", "audit=off", *TINY)
    printed = run(tmp_path, installed / "ganfreeze", "train", "-m", *words)
    assert re.search(r"^compile .* FINISHED$", printed, re.MULTILINE), printed
    assert "ganfreeze train -m strategy=tape,compile" in run(tmp_path, installed / "ganfreeze", "sweeps")
    assert "report.html: the report" in run(tmp_path, installed / "ganfreeze", "report", "sweep=last")
    [report] = (tmp_path / "outputs" / "reports").glob("*/report.md")
    assert "`ganfreeze evaluate run=RUN_ID samples_seeds=5`" in report.read_text()
    assert "src/" not in report.read_text()
    file = next((tmp_path / "outputs" / "state").glob("*/delivered.json"))
    [identity] = re.findall(r"\b[0-9a-f]{32}\b", file.read_text())
    assert "64 samples" in run(tmp_path, installed / "ganfreeze", "sample", f"run={identity}")
    assert (tmp_path / "samples.png").stat().st_size > 0


def test_a_gan_of_plain_keras_is_audited(installed, tmp_path):
    (tmp_path / "my_gan.py").write_text(GAN)
    printed = run(tmp_path, installed / "ganfreeze", "audit", "my_gan.py:build", "modes=[graph]")
    assert "| `build` | w move | still |" in printed or "| `build` | **still** | still |" in printed, printed
    assert "verdict: violation" in printed, "Keras 3 follows the flag"


def test_the_wheel_holds_the_published_and_the_expected_values(installed, tmp_path):
    words = ("strategies=[compile]", "keras_versions=[keras2]", "quantities=[spectral_radius]")
    assert "compile keras2: 6 of 15 agree, 9 refused" in run(tmp_path, installed / "ganfreeze", "dynamics", *words)
    [packaged] = installed.parent.glob("lib/python*/site-packages/ganfreeze/experiments")
    own = sorted(file.relative_to(ROOT / "experiments") for file in (ROOT / "experiments").glob("*/expected.csv"))
    assert sorted(file.relative_to(packaged) for file in packaged.glob("*/expected.csv")) == own


@pytest.mark.parametrize("program", PURPOSES)
def test_a_file_in_src_says_what_its_program_is_for(program):
    text = (ROOT / "src" / f"{program}.py").read_text()
    assert text.startswith(f'"""{purpose(program)}"""\n')
    assert f'    start("{program}")' in text
