"""Every file in conf/ fits the code, and a bad config gives a helpful message."""

import inspect

import light
import pytest
from conftest import CONF, ROOT, words
from hydra import initialize_config_dir
from hydra.utils import get_object
from omegaconf import OmegaConf

from ganfreeze.app.command_line import current_words
from ganfreeze.app.compose import compose_variant
from ganfreeze.app.parse_config import GROUPS
from ganfreeze.errors import BadInput

FILES = [(group, word) for group in GROUPS for word in words(group)]
GIVEN_BY_APP = {"game"}  # arguments of strategies that are not options


def test_the_groups_are_the_folders():
    folders = {path.name for path in CONF.iterdir() if path.is_dir()}
    assert folders - {"hydra", "experiment"} == set(GROUPS)


@pytest.mark.parametrize(("group", "word"), FILES)
def test_word_yaml_module_and_signature_agree(group, word):
    node = OmegaConf.load(CONF / group / f"{word}.yaml")
    target = node.pop("_target_")
    assert target.startswith("ganfreeze.")
    assert target.rpartition(".")[0].endswith(f".{group}.{word}"), "the last folder of the path is the config group"
    parameters = dict(inspect.signature(get_object(target)).parameters)
    if group == "strategy":
        assert parameters.keys() >= GIVEN_BY_APP
        parameters = {name: value for name, value in parameters.items() if name not in GIVEN_BY_APP}
    assert set(node) == set(parameters), "an option that the YAML leaves out cannot be set on the command line"
    for name, parameter in parameters.items():
        if parameter.default is not parameter.empty:
            assert node[name] == parameter.default, f"{name}: the defaults of the YAML and of the signature differ"


@pytest.mark.parametrize(("group", "word"), FILES)
def test_every_word_composes_and_passes_the_check(parse, group, word):
    """The tests' own way to compose a config gives what Hydra gives."""
    overrides = (f"{group}={word}", *(["dataset.path=somewhere"] if word in ("npz", "image_folder") else []))
    own = parse(*overrides)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        by_hydra = compose_variant(f"{group}='{word}'", *overrides[1:])
    assert (own.yaml, own.words, own.values) == (by_hydra.yaml, by_hydra.words, by_hydra.values)


SECRET_ADDRESSES = [
    "http://me:secret@host",
    "postgresql://me:secret@host/runs",
    "mysql+pymysql://me:secret@host/runs",
    "ftp://me:secret@host",
    "'postgresql://host/runs?user=me&password=secret'",
    "'http://host/?token=secret'",
    "me:secret@host",
]

BAD = [
    (["steps=0"], "steps=0: must be greater than or equal to 1"),
    (["steps=many"], "steps=many: must be integer"),
    (["seed=-1"], "seed=-1: must be greater than or equal to 0"),
    (["batch_size=1.5"], "batch_size=1.5: must be integer"),
    (["cadence.log=0"], "cadence.log=0: must be greater"),
    (["deterministic=maybe"], "deterministic=maybe: must be boolean"),
    (["+epochs=3"], "epochs: no such option; there are these: seed, seeds_at_once, steps, batch_size, "),
    (["update.discriminator_steps=0"], "update.discriminator_steps=0: must be greater than or equal to 1"),
    (["optimizer.beta1=1.0"], "optimizer.beta1=1.0: must be less than 1"),
    (["optimizer.generator_rate=-0.1"], "optimizer.generator_rate=-0.1: must be greater than 0"),
    (["schedule=cosine", "schedule.final=2.0"], "schedule.final=2.0: must be less than or equal to 1"),
    (["architecture=dcgan", "architecture.batch_norm=1"], "architecture.batch_norm=1: must be boolean"),
    (["loss.label_smoothing=x"], "loss.label_smoothing=x: must be number"),
    (["evaluator.split=validation"], "evaluator.split=validation: must be 'train' or 'test'"),
    (["+strategy.speed=3"], "strategy.speed: no such option; there is none"),
    (["+optimizer.speed=3"], "optimizer.speed: no such option; there are these: generator_rate, discriminator_rate"),
    (["+strategy.game=1"], "strategy.game: no such option"),
    (["optimizer.generator_rate=inf"], "optimizer.generator_rate=inf: must be a finite number"),
    (["cadence=5"], "cadence=5: must be a group of options"),
    (["~paths"], "evaluator.cache: Interpolation key .paths.cache. not found"),
    (["paths.data=???"], "paths.data has no default"),
    (["steps=${nope}"], "steps: Interpolation key 'nope' not found"),
    (["~dataset"], "dataset=None: must be one word"),
    (["~strategy._target_"], "strategy=tape: must be one word"),
    (["evaluator.metrics=[fid,fud]"], "evaluator.metrics.1=fud: must be 'fid', 'inception_score', 'kid', "),
    (["evaluator.metrics=[]"], "evaluator.metrics=.*: must name one metric or more, each once"),
    (["evaluator.metrics=[fid,fid]"], "must name one metric or more, each once"),
    (["evaluator.metrics=fid"], "evaluator.metrics=fid: must be a list, in brackets"),
    (["evaluator.splits=600"], "evaluator.splits=600: must be at most half of evaluator.samples=1000"),
    (
        ["evaluator.metrics=[density_coverage]", "evaluator.samples=5"],
        "evaluator.neighbours=5: must be less than the smaller of evaluator.samples and evaluator.subset, 5",
    ),
    (["evaluator=inception", "evaluator.resize=nice"], "evaluator.resize=nice: must be 'tfgan' or 'clean'"),
    (["evaluator.seed=-1"], "evaluator.seed=-1: must be greater than or equal to 0"),
    (["dataset=ring", "dataset.deviation=0.0"], "dataset.deviation=0.0: must be greater than 0"),
    (["dataset=stacked_mnist", "dataset.examples=10"], "dataset.examples=10: must be greater than or equal to 1000"),
    (["packing=0"], "packing=0: must be greater than or equal to 1"),
    (["packing=3"], "packing=3: batch_size=32 must be a multiple of it"),
    (["ema=1.5"], "ema=1.5: must be none, or a number between 0 and 1 such as 0.999"),
    (["ema=often"], "ema=often: must be none, or a number between 0 and 1"),
    (["evaluator.samples=1"], "evaluator.samples=1: must be greater than or equal to 2"),
    (["tracker.uri=nonsense"], "uri=nonsense: must be an address that begins with one of http, https"),
    *((["tracker.uri=" + uri], "^tracker.uri must hold no password(?!.*secret)") for uri in SECRET_ADDRESSES),
    (["resume=later"], "resume=later: must be auto, never, an MLflow run id, or the name of a folder in paths.state"),
    (["on_nan=ignore"], "on_nan=ignore: must be 'stop', 'skip' or 'continue'"),
    (["cadence.save=0"], "cadence.save=0: must be greater than or equal to 1"),
    (["keep.last=0"], "keep.last=0: must be greater than or equal to 1"),
    (["keep.best=fid"], "keep.best=fid: must be null, or a metric with its evaluator such as classifier/fid"),
    (["keep.best=classifier/beauty"], "keep.best=classifier/beauty: must be null, or a metric with its evaluator"),
    (["sweep.retries=-1"], "sweep.retries=-1: must be greater than or equal to 0"),
    (["tracker.patience=0.0"], "tracker.patience=0.0: must be greater than 0"),
    *(
        (
            ["dataset=image_folder", "dataset.path=x", f"dataset.background='{colour}'"],
            f"dataset.background={colour}: must be a colour name such as white, or #rrggbb in quotes",
        )
        for colour in ("nice", "#ff000080", "#12345", "")
    ),
    (["dataset=npz"], "dataset.path has no default: set dataset.path=..."),
    (["audit=maybe"], "audit=maybe: must be 'error', 'record' or 'off'"),
    (["audit=false"], "audit=False: must be 'error', 'record' or 'off'"),
    (["cadence.audit=0"], "cadence.audit=0: must be greater than or equal to 1"),
    (["cadence.audit=often"], "cadence.audit=often: must be integer"),
    (["eager=1"], "eager=1: must be boolean"),
    (
        ["precision=float16"],
        "precision=float16: must be 'float32', 'mixed_bfloat16', 'mixed_float16' or 'float64'",
    ),
    (["jit=yes"], "jit=yes: must be 'auto', 'on' or 'off'"),
    (["fused_steps=0"], "fused_steps=0: must be auto, or a number of steps of at least 1"),
    (["fused_steps=all"], "fused_steps=all: must be auto, or a number of steps of at least 1"),
    (["gpu_memory=0"], "gpu_memory=0: must be greater than or equal to 1"),
    (["jit=on", "eager=true"], "^jit=on: eager=true compiles nothing"),
    (
        ["strategy=tfgan", "jit=on"],
        "^strategy=tfgan does not go with jit=on; it goes with eager=false; jit=auto or off",
    ),
    (["strategy=toggle", "fused_steps=10"], "^strategy=toggle does not go with fused_steps=10; it goes with "),
    (
        ["strategy=toggle", "jit=on", "keras=keras3"],
        "^strategy=toggle does not go with jit=on, keras=keras3, deterministic=true together; change one of them$",
    ),
    (
        ["update.order=backwards"],
        "update.order=backwards: must be 'discriminator_first', 'generator_first' or 'simultaneous'",
    ),
    (["update.generator_steps=0"], "update.generator_steps=0: must be greater than or equal to 1"),
    (["update.batches=both"], "update.batches=both: must be 'joint' or 'split'"),
    (["update.noise=old"], "update.noise=old: must be 'fresh' or 'reused'"),
    (["update.fakes=both"], "update.fakes=both: must be 'training' or 'inference'"),
    (["update.optimizers=one"], "update.optimizers=one: must be 'separate' or 'shared'"),
    (
        ["update.order=simultaneous", "update.discriminator_steps=5"],
        "^update.order=simultaneous updates each network once a step; update.discriminator_steps=5 and "
        "update.generator_steps=1 must both be 1",
    ),
    (
        ["update=simultaneous", "update.generator_steps=2"],
        "update.discriminator_steps=1 and update.generator_steps=2 must both be 1",
    ),
    (
        ["update=extragradient", "update.order=discriminator_first"],
        "^update.extrapolation=extragradient extrapolates both networks at once; update.order=discriminator_first must "
        "be simultaneous",
    ),
    (["update=extragradient", "update.discriminator_steps=5"], "update.discriminator_steps=5 and .* must both be 1"),
    (["update.extrapolation=past"], "update.extrapolation=past: must be 'none', 'extragradient' or 'optimistic'"),
    (["optimizer=sgd", "optimizer.momentum=-1.0"], "optimizer.momentum=-1.0: must be greater than -1"),
    (["optimizer=adam", "optimizer.beta1=-0.5"], "optimizer.beta1=-0.5: must be greater than or equal to 0"),
    (
        ["update.optimizers=shared", "optimizer.generator_rate=0.5"],
        "^update.optimizers=shared has one rate; optimizer.generator_rate=0.5 and optimizer.discriminator_rate=0.0002 "
        "must be equal",
    ),
    (
        ["update=keras_gan", "loss=relativistic"],
        "^loss=relativistic does not go with update.batches=split [(]of update=keras_gan[)]; it goes with "
        "update.batches=joint; devices=1$",
    ),
    (["loss=relativistic", "update.batches=split"], "update.batches=split [(]of update=alternating[)]; it goes with"),
    (
        ["strategy=compile", "regularizer=r1"],
        "^strategy=compile does not go with regularizer=r1; it goes with regularizer=none or weight_clip; "
        "fused_steps=auto or 1$",
    ),
    (
        ["update=keras_gan", "regularizer=consensus"],
        "^regularizer=consensus does not go with update.batches=split [(]of update=keras_gan[)]; it goes with",
    ),
    (["regularizer=r1", "regularizer.weight=-1"], "regularizer.weight=-1: must be greater than 0"),
    (["regularizer=weight_clip", "regularizer.bound=0.0"], "regularizer.bound=0.0: must be greater than 0"),
    (["+regularizer.weight=1.0"], "regularizer.weight: no such option; there is none"),
    (["freeze=lower", "freeze.layers=0"], "freeze.layers=0: must be greater than or equal to 1"),
    (["architecture=dirac", "architecture.psi=nan"], "architecture.psi=nan: must be a finite number"),
]


def test_only_a_metric_that_is_measured_can_be_the_best(parse):
    variant = parse("ema=0.9")
    for measured in ("classifier/fid", "classifier_ema/inception_score"):
        variant.require_measured("keep.best", measured)
    with pytest.raises(BadInput, match=r"keep.best=classifier/kid: is not measured; evaluator=classifier measures "):
        variant.require_measured("keep.best", "classifier/kid")
    with pytest.raises(BadInput, match="classifier_ema/fid: is not measured"):
        parse().require_measured("keep.best", "classifier_ema/fid")


@pytest.mark.parametrize(("overrides", "message"), BAD, ids=lambda value: value[0] if isinstance(value, list) else "")
def test_the_message_names_the_bad_value_and_what_is_allowed(parse, overrides, message):
    with pytest.raises(BadInput, match=message):
        parse(*overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["strategy=compile", "steps=30", "optimizer.generator_rate=1e-3", "architecture.generator_units=[8,4]"],
        ["keras=keras2", "steps=1", "steps=2", "cadence.glance=null", "paths.data=${oc.env:HOME}/sets"],
        ["experiment=batch_norm", "seed=3", "optimizer.epsilon=1e-7", "update=seed"],
    ],
    ids=" ".join,
)
def test_tests_compose_as_the_command_line_does(parse, composed, overrides):
    cfg = composed(*current_words(overrides))
    cfg = OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])
    assert parse(*overrides).yaml == OmegaConf.to_yaml(cfg, resolve=True)


def test_off_is_a_word_and_not_a_boolean(parse):
    """YAML 1.1 reads a bare off as false. The recorded config must give "off" when it is read back."""
    variant = parse("audit=off")
    assert variant.settings.audit == "off"
    assert OmegaConf.create(variant.yaml).audit == "off"
    assert parse().settings.audit == "error"


def test_words_that_were_refused_pass_with_another_option(parse):
    parse("optimizer=sgd", "optimizer.momentum=-0.5")
    parse("update.order=simultaneous", "update.extrapolation=extragradient")
    """Some words are refused above because of one option. With another value of that option they pass."""
    parse("update=keras_gan", "update.batches=joint", "loss=relativistic")
    parse("update=keras_gan", "update.batches=joint", "regularizer=r1")
    parse("strategy=compile", "regularizer=weight_clip", "update=keras_gan")
    parse("update.order=simultaneous", "update.discriminator_steps=1", "update.generator_steps=1")
    parse("update=simultaneous", "update.order=generator_first", "update.generator_steps=2")
    parse("update.optimizers=shared", "optimizer.generator_rate=0.5", "optimizer.discriminator_rate=0.5")


COMMAND_LINE = [
    (
        ["strategy=tap"],
        ["ganfreeze: strategy=tap: no such strategy; the nearest is tape; there are compile,"],
    ),
    (["strategies=tape"], ["ganfreeze: strategies: src/train.py has no such key; the nearest are strategy"]),
    (["strategy=null"], ["ganfreeze: strategy=null: no such strategy; there are compile,"]),
    (["optimizer=5"], ["ganfreeze: optimizer=5: no such optimizer; there are adam,"]),
    (["-m", "hydra.launcher.n_jobs=0"], ["nothing was started; hydra.launcher.n_jobs=0: must be greater"]),
    (["paths.mlruns=/proc/x"], ["paths.mlruns=/proc/x: /proc/x cannot be written"]),
    (["steps=-3"], ["ganfreeze: steps=-3: must be greater than or equal to 1"]),
    (["update=keras_gan", "loss=relativistic"], ["ganfreeze: loss=relativistic does not go with update.batches=split"]),
    (["strategy=toggle", "regularizer=consensus"], ["ganfreeze: strategy=toggle does not go with regularizer=cons"]),
    (["update=simultaneous", "update.generator_steps=2"], ["ganfreeze: update.order=simultaneous updates each"]),
    (["architecture=dirac"], ["ganfreeze: architecture=dirac plays on a line", "are (8, 8, 1). Choose dataset=dirac"]),
    (["dataset=dirac", "architecture=dirac"], ["ganfreeze: evaluator=classifier needs", "Choose evaluator=none"]),
    (
        ["dataset=dirac", "architecture=dcgan"],
        ["architecture=dcgan needs square", "are points of 1 dimensions."],
    ),
    (["dataset=ring", "architecture=maxout"], ["evaluator=classifier needs images", "Choose evaluator=mixture or"]),
    (["evaluator=mixture"], ["evaluator=mixture needs a data set whose modes are known", "not dataset=digits"]),
    (["evaluator=inception", "evaluator.weights=none"], ["evaluator.weights=none: must be the folder of a SavedModel"]),
    (["-m", "strategy=tape,tap"], ["ganfreeze: strategy=tap: no such strategy; the nearest is tape"]),
    (["-m", "steps=5,0"], ["nothing was started; steps=0:", "steps=0: must be greater"]),
    (
        ["-m", "update=alternating,seed", "loss=hinge,relativistic"],
        ["started; update=keras_gan loss=relativistic"],
    ),
    (["architecture=dcgan", "dataset=npz", "dataset.path=missing.npz"], ["missing.npz: there is no such file"]),
    (["dataset=mnist", "dataset.mirror=http://127.0.0.1:9"], ["needs train-images-idx3-ubyte.gz", "GANFREEZE_DATA"]),
]


@pytest.mark.parametrize(("arguments", "expected"), COMMAND_LINE, ids=" ".join)
def test_the_command_line_refuses_before_tensorflow_is_imported(tmp_path, arguments, expected):
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "", "GANFREEZE_DATA": str(tmp_path)}
    program = light.run(tmp_path, "train", *arguments, **environment)
    assert program.returncode != 0
    assert not program.imported_tensorflow
    for text in expected:
        assert text in program.stderr
    assert "Traceback" not in program.stderr
    assert not (tmp_path / "mlruns").exists(), "a run began"


@pytest.mark.parametrize(
    ("argument", "current"),
    [
        ("update=seed", "update=keras_gan"),
        ("update='seed'", "update=keras_gan"),
        ('update="seed"', "update=keras_gan"),
        ("update=alternating,seed", "update=alternating,keras_gan"),
        ("update='seed',alternating", "update=keras_gan,alternating"),
        ("tracker=null", "tracker=none"),
        ("tracker='null'", "tracker=none"),
        ("tracker=mlflow,null", "tracker=mlflow,none"),
        ("tracker=mlflow,'null'", "tracker=mlflow,none"),
    ],
)
def test_renamed_words_still_work(argument, current):
    assert current_words([argument]) == [current]


@pytest.mark.parametrize(
    ("argument", "quoted"),
    [("loss=5", "loss='5'"), ("loss=hinge,5", "loss=hinge,'5'"), ("strategy=null", "strategy='null'")],
)
def test_words_that_hydra_would_parse_as_null_or_a_number_are_quoted(argument, quoted):
    assert current_words([argument]) == [quoted]


def test_other_arguments_stay_as_they_are():
    arguments = ["src/train.py", "-m", "seed=1", "strategy=tape", "loss='5'", "steps=5", "seed=0,1", "tracker.uri=null"]
    assert current_words(arguments) == arguments
