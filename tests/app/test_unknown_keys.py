"""A wrong key or word gets one sentence: what there is not, what is near, and what there is."""

import light
import pytest
from conftest import CONF, ROOT
from omegaconf import DictConfig

from ganfreeze.app.command_line import checked
from ganfreeze.app.program_settings import PROGRAMS, composed_keys
from ganfreeze.app.unknown_keys import require_known
from ganfreeze.errors import BadInput
from ganfreeze.types import GROUPS

TYPOS = [
    (
        "train",
        ["strateg=tape"],
        r"^strateg: src/train.py has no such key; the nearest are strategy, .*; its groups are ",
    ),
    (
        "train",
        ["step=100"],
        "^step: src/train.py has no such key; the nearest are steps, .*; settings are seed, seeds_at_once, steps,",
    ),
    ("train", ["+unknown=1"], "^unknown: src/train.py has no such key; its groups are keras, strategy"),
    ("train", ["++unknown=1"], "^unknown: src/train.py has no such key"),
    ("train", ["~strateg"], "^strateg: src/train.py has no such key; the nearest are strategy"),
    ("train", ["discriminator_rate=1e-4"], "^discriminator_rate: .*; the nearest are optimizer.discriminator_rate,"),
    ("train", ["filters=8"], "nearest are architecture.filters [(]of architecture=dcgan or dcgan_tensorflow[)]"),
    ("train", ["arch=dcgan"], "^arch: .*; the nearest are architecture, "),
    ("train", ["cadence.evalute=5"], "^cadence.evalute: .*; the nearest are cadence.evaluate,"),
    ("train", ["cadence={log:5,evalute:6}"], "^cadence.evalute: .*; the nearest are cadence.evaluate,"),
    ("train", ["steps.log=5"], "^steps.log: src/train.py has no such key"),
    (
        "train",
        ["optimizer.discriminator_lr=1e-4"],
        "^optimizer.discriminator_lr: not an option of optimizer=adam; the nearest is discriminator_rate; adam has "
        "generator_rate, discriminator_rate, beta1, beta2, epsilon$",
    ),
    (
        "train",
        ["architecture.filtrs=4"],
        "^architecture.filtrs: not an option of architecture=mlp; the nearest is filters [(]of architecture=dcgan or "
        "dcgan_tensorflow[)]; mlp has latent_dim, generator_units, discriminator_units, spectral_norm, dropout$",
    ),
    (
        "train",
        ["+architecture.filters=4"],
        "^architecture.filters: not an option of architecture=mlp; filters [(]of architecture=dcgan or "
        "dcgan_tensorflow[)] is; mlp has latent_dim, generator_units, discriminator_units, spectral_norm, dropout$",
    ),
    (
        "train",
        ["experiment=mixtures", "architecture.filters=4"],
        "not an option of architecture=maxout; .* latent_dim$",
    ),
    ("train", ["loss=hinge", "loss.label_smoothing=0.1"], "not an option of loss=hinge; .*; hinge has none$"),
    ("train", ["strategy=tap"], "^strategy=tap: no such strategy; the nearest is tape; there are compile, recompile,"),
    ("train", ["strategy=TAPE"], "^strategy=TAPE: no such strategy; the nearest are tape, trace;"),
    ("train", ["loss=5"], "^loss=5: no such loss; there are hinge,"),
    ("train", ["experiment=mnst"], "^experiment=mnst: no such experiment; the nearest is mnist; there are batch_norm,"),
    ("train", ["+steps=5"], "^[+]steps: there is steps already; leave out the [+]$"),
    ("train", ["+strategy=tape"], "^[+]strategy: there is strategy already"),
    ("train", ["strategy"], "^strategy: must be KEY=VALUE$"),
    (
        "train",
        ["tracker.experiment=a=b"],
        "^tracker.experiment: a value with special characters needs quotes of its own",
    ),
    ("train", ["strategy=tape,compile"], "^strategy=tape,compile: several values make a sweep, which needs -m"),
    ("train", ["seed=range(3)"], "several values make a sweep"),
    (
        "sample",
        ["strategy=tape"],
        "^strategy: src/sample.py has no such key; its settings are run, count, seed, output,",
    ),
    ("sample", ["coutn=5"], "^coutn: src/sample.py has no such key; the nearest is count;"),
    ("report", ["swep=last"], "^swep: src/report.py has no such key; the nearest is sweep;"),
    ("sweeps", ["stat=x"], "^stat: .*; the nearest is state; its settings are state, sweep$"),
    ("sync", ["url=x"], "^url: .*; the nearest is uri; its settings are state, uri$"),
    ("replay", ["stp=5"], "^stp: .*; the nearest is step; its settings are run, step, state$"),
    (
        "evaluate",
        ["evaluater=inception"],
        "^evaluater: .*; the nearest are evaluator, .*; its groups are evaluator, tracker;",
    ),
    ("reproduce", ["rn=5"], "^rn: .*; its groups are evaluator, tracker; settings are run, paths.data,"),
    ("equivalence", ["precision=[float32]", "tolerence=1"], "^tolerence: .*; the nearest is tolerance;"),
    ("freeze_matrix", ["strategys=[tape]"], "^strategys: .*; the nearest are strategy, strategies,"),
    ("dynamics", ["quantity=x"], "^quantity: .*; the nearest .*quantities"),
]


@pytest.mark.parametrize(("program", "overrides", "sentence"), TYPOS, ids=lambda value: str(value)[:40])
def test_a_typo_gets_a_sentence(program, overrides, sentence):
    with pytest.raises(BadInput, match=sentence) as raised:
        require_known(program, overrides, sweep=False)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["strateg=tape,compile"], "^strateg: src/train.py has no such key"),
        (["strategy=tape,compil"], "^strategy=compil: no such strategy; the nearest are compile, recompile"),
        (["strategy=choice(tape,tap)"], "^strategy=tap: no such strategy"),
        (["architecture=dcgan,mlp", "architecture.filters=4,8"], "filters: not an option of architecture=mlp"),
        (["experiment=mnst,mnist"], "^experiment=mnst: no such experiment"),
    ],
)
def test_a_typo_in_a_sweep_gets_a_sentence(overrides, sentence):
    with pytest.raises(BadInput, match=sentence):
        require_known("train", overrides, sweep=True)


@pytest.mark.parametrize(
    ("program", "overrides"),
    [
        ("train", ["strategy=tape,compile", "loss=hinge", "seed=range(3)", "architecture=dcgan,dcgan_tensorflow"]),
        ("train", ["architecture=dcgan", "architecture.filters=4", "cadence={log:5}", "evaluator.metrics=[fid]"]),
        ("train", ["experiment=mixtures_grid", "dataset.side=3", "++steps=5", "~evaluator", "strategy=glob(t*)"]),
        ("train", ["hydra.launcher.n_jobs=2", "hydra/launcher=basic", "experiment=null", "tracker.uri='http://a=b'"]),
        ("train", ["experiment=freezing", "architecture.filters=8", "hydra.mode=MULTIRUN", "seed=1,2"]),
        ("train", ["hydra.searchpath=[file:///elsewhere]", "strategy=my_own", "my_key=5"]),
        ("evaluate", ["run=1", "evaluator=inception", "evaluator.resize=clean", "dataset.path=x", "paths.data=y"]),
        ("equivalence", ["a=tape", "b=[compile,toggle]", "architecture=dcgan", "steps=5"]),
    ],
)
def test_what_there_is_passes(program, overrides):
    require_known(program, overrides, sweep=True)


def test_no_value_of_an_unknown_key_is_shown():
    with pytest.raises(BadInput) as raised:
        require_known("train", ["trackr.uri='http://me:secret@host'"], sweep=False)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_keys_are_those_of_the_config(composed, program):
    """A key that the config has and the check does not know could not be set."""
    cfg = composed(config="config" if program == "train" else program)
    known = composed_keys(program)
    settings = {key: value for key, value in cfg.items_ex(resolve=False) if key not in ("hydra", *GROUPS)}
    assert sorted(_dotted(settings)) == sorted(set(known.settings))
    assert {key for key in cfg if key in GROUPS} == set(known.groups) & set(GROUPS)


def _dotted(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, DictConfig):
            yield from _dotted(dict(value.items_ex(resolve=False)), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_every_program_is_checked():
    assert set(PROGRAMS) == {path.stem for path in (ROOT / "src").glob("*.py")}
    for path in (ROOT / "src").glob("*.py"):
        assert f'start("{path.stem}")' in path.read_text()  # programs.start checks the arguments
    assert {path.stem for path in CONF.glob("*.yaml")} == {*PROGRAMS, "config"} - {"train"}


def test_the_path_of_data_may_be_set_for_a_recorded_run():
    """The config of the program has no such option, because the data set is the run's own."""
    assert checked(["src/evaluate.py", "run=1", "dataset.path=x"])[1:] == ["run=1", "++dataset.path=x"]
    assert checked(["src/train.py", "dataset=npz", "dataset.path=x"])[1:] == ["dataset=npz", "dataset.path=x"]


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_a_sweep_may_be_asked_for_anywhere(flag):
    assert checked(["src/train.py", "steps=5", flag, "seed=0,1"])[1:] == [flag, "steps=5", "seed=0,1"]


@pytest.mark.parametrize(
    ("program", "arguments", "sentence"),
    [
        ("train", ["strateg=tape"], "ganfreeze: strateg: src/train.py has no such key; the nearest are strategy, "),
        ("train", ["-m", "strateg=tape,compile"], "ganfreeze: strateg: src/train.py has no such key"),
        ("train", ["--cfg", "job", "+unknown=1"], "ganfreeze: unknown: src/train.py has no such key"),
        ("sample", ["coutn=5"], "ganfreeze: coutn: src/sample.py has no such key; the nearest is count"),
        ("train", ["--steps=5"], "ganfreeze: --steps: no such flag; a key has no dashes, as in seed=1"),
        ("report", ["sweep"], "ganfreeze: sweep: must be KEY=VALUE"),
        ("report", ["sweep='a b'"], "ganfreeze: sweep=a b: must be null, or a sweep, its last digits, or last"),
        ("report", ["sweep=last", "--tex", "runz=1"], "ganfreeze: runz: src/report.py has no such key; the nearest"),
        ("report", ["experiment=mnst"], "ganfreeze: experiment=mnst: no such experiment; the nearest is mnist; there"),
        ("sweeps", ["stat=x"], "ganfreeze: stat: src/sweeps.py has no such key"),
        (
            "train",
            ["--help", "strateg"],
            "ganfreeze: strateg: src/train.py has none; the nearest is strategy; there are",
        ),
    ],
)
def test_a_program_ends_with_the_sentence_before_tensorflow_is_imported(tmp_path, program, arguments, sentence):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").touch()
    ended = light.run(tmp_path, program, *arguments, PYTHONPATH=str(ROOT / "src"), PATH="")
    assert ended.returncode == 1
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1
    assert not ended.imported_tensorflow
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"], "Hydra wrote something"
