"""Contracts over every file in conf/, and what a user is told of a bad config."""

import inspect
import subprocess
import sys

import pytest
from conftest import CONF, ROOT, words
from hydra.utils import get_object
from omegaconf import OmegaConf

from ganfreeze.app import WORDS
from ganfreeze.errors import BadInput

FILES = [(group, word) for group in WORDS for word in words(group)]
GIVEN_BY_APP = {"keras", "networks", "loss", "optimizers", "update"}  # to the constructors of strategies


def test_the_groups_are_the_folders():
    assert sorted(WORDS) == sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")


@pytest.mark.parametrize(("group", "word"), FILES)
def test_word_yaml_module_and_signature_agree(group, word):
    node = OmegaConf.load(CONF / group / f"{word}.yaml")
    target = node.pop("_target_")
    assert target.rpartition(".")[0] == f"ganfreeze.{group}.{word}"
    parameters = dict(inspect.signature(get_object(target)).parameters)
    if group == "strategy":
        assert parameters.keys() >= GIVEN_BY_APP
        parameters = {name: each for name, each in parameters.items() if name not in GIVEN_BY_APP}
    assert set(node) == set(parameters), "an option that the YAML leaves out cannot be set on the command line"
    for name, parameter in parameters.items():
        if parameter.default is not parameter.empty:
            assert node[name] == parameter.default, f"{name}: the YAML and the signature name different defaults"


@pytest.mark.parametrize(("group", "word"), FILES)
def test_every_word_composes_and_passes_the_check(check, group, word):
    check(f"{group}='{word}'", *(["dataset.path=somewhere"] if word in ("npz", "image_folder") else []))


BAD = [
    (["steps=0"], "steps=0: must be greater than or equal to 1"),
    (["steps=many"], "steps=many: must be integer"),
    (["seed=-1"], "seed=-1: must be greater than or equal to 0"),
    (["batch_size=1.5"], "batch_size=1.5: must be integer"),
    (["cadence.log=0"], "cadence.log=0: must be greater"),
    (["deterministic=maybe"], "deterministic=maybe: must be boolean"),
    (["+epochs=3"], "epochs: no such option; there are these: seed, steps, batch_size, "),
    (["update.discriminator_steps=0"], "update.discriminator_steps=0: must be greater than or equal to 1"),
    (["optimizer.beta1=1.0"], "optimizer.beta1=1.0: must be less than 1"),
    (["optimizer.generator_rate=-0.1"], "optimizer.generator_rate=-0.1: must be greater than 0"),
    (["schedule=cosine", "schedule.final=2.0"], "schedule.final=2.0: must be less than or equal to 1"),
    (["architecture=dcgan", "architecture.batch_norm=1"], "architecture.batch_norm=1: must be boolean"),
    (["loss.label_smoothing=x"], "loss.label_smoothing=x: must be number"),
    (["evaluator.split=validation"], "evaluator.split=validation: must be 'train' or 'test'"),
    (["+strategy.speed=3"], "strategy.speed: no such option; there is none"),
    (["+optimizer.speed=3"], "optimizer.speed: no such option; there are these: generator_rate, discriminator_rate"),
    (["+strategy.keras=1"], "strategy.keras: no such option"),
    (["optimizer.generator_rate=inf"], "optimizer.generator_rate=inf: must be a finite number"),
    (["cadence=5"], "cadence=5: must be a group of options"),
    (["~paths"], "evaluator.cache: Interpolation key .paths.cache. not found"),
    (["paths.data=???"], "paths.data has no default"),
    (["steps=${nope}"], "steps: Interpolation key 'nope' not found"),
    (["~dataset"], "dataset=None: must be one word"),
    (["~strategy._target_"], "strategy=tape: must be one word"),
    (["evaluator.samples=1"], "evaluator.samples=1: must be greater than or equal to 2"),
    (["tracker.uri=nonsense"], "tracker.uri=nonsense: must be an address that begins with one of http, https"),
    (["tracker.uri=http://me:secret@host"], "tracker.uri must hold no password"),
    (["dataset=npz"], "dataset.path has no default: set dataset.path=..."),
    (["update=seed", "loss=relativistic"], "update=seed trains .* apart; loss=relativistic takes both"),
]


@pytest.mark.parametrize(("overrides", "message"), BAD, ids=lambda each: each[0] if isinstance(each, list) else "")
def test_a_bad_value_is_named_with_what_is_allowed(check, overrides, message):
    with pytest.raises(BadInput, match=message):
        check(*overrides)


COMMAND_LINE = [
    (["strategy=tap"], ["Could not find 'strategy/tap'", "compile", "tape"]),
    (["strategies=tape"], ["Could not override 'strategies'", "Key 'strategies' is not in struct"]),
    (["strategy=null"], ["Could not find 'strategy/null'", "tape"]),
    (["optimizer=5"], ["Could not find 'optimizer/5'", "adam"]),
    (["tracker.uri=http://127.0.0.1:9"], ["tracker.uri=http://127.0.0.1:9: no server answers there"]),
    (["-m", "hydra.launcher.n_jobs=0"], ["nothing was started; hydra.launcher.n_jobs=0: must be greater"]),
    (["paths.mlruns=/proc/x"], ["paths.mlruns=/proc/x: /proc/x cannot be written"]),
    (["steps=-3"], ["ganfreeze: steps=-3: must be greater than or equal to 1"]),
    (["update=seed", "loss=relativistic"], ["ganfreeze: update=seed trains"]),
    (["-m", "strategy=tape,tap"], ["Could not find 'strategy/tap'"]),
    (["-m", "steps=5,0"], ["nothing was started; steps=0:", "steps=0: must be greater"]),
    (
        ["-m", "update=alternating,seed", "loss=hinge,relativistic"],
        ["started; update=seed loss=relativistic"],
    ),
    (["architecture=dcgan", "dataset=npz", "dataset.path=missing.npz"], ["missing.npz: there is no such file"]),
    (["dataset=mnist", "dataset.mirror=http://127.0.0.1:9"], ["needs train-images-idx3-ubyte.gz", "GANFREEZE_DATA"]),
]


@pytest.mark.parametrize(("arguments", "expected"), COMMAND_LINE, ids=lambda each: " ".join(each))
def test_the_command_line_refuses_before_tensorflow_is_imported(tmp_path, arguments, expected):
    script = (
        "import atexit, runpy, sys; "
        "atexit.register(lambda: print('IMPORTED', 'tensorflow' in sys.modules)); "
        f"sys.argv = {['train.py', *arguments]!r}; "
        f"runpy.run_path({str(ROOT / 'src' / 'train.py')!r}, run_name='__main__')"
    )
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "", "GANFREEZE_DATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "IMPORTED False" in done.stdout
    for text in expected:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mlruns").exists(), "no run was begun"
