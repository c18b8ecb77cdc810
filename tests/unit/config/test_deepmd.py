"""DeePMD-kit 3.2.0 reads what we write, with the same meaning."""

import json

import pytest

from deepattn.config import Config, merge_pretrained, normalize, upgrade
from deepattn.config.constraints import ACTIVATIONS
from tests.conformance.deepmd_kit import DP320, run_python

from .inputs import CASES, DPA1, DPA2, SE_E2_A, WATER, changed, without

pytestmark = pytest.mark.conformance

MORE_CASES = {
    **CASES,
    "strip": changed(DPA1, "model/descriptor/tebd_input_mode", "strip"),
    "sel list": changed(DPA1, "model/descriptor/sel", [10, 20]),
    "no type map": without(SE_E2_A, "model/type_map"),
    "tanh type embedding": changed(DPA1, "model/type_embedding", {}),
    "se_e2_a with types": changed(SE_E2_A, "model/type_embedding", {"resnet_dt": True}),
    "named layers": changed(SE_E2_A, "model/fitting_net/layer_name", ["a", "b", "c"]),
    "se_e2_r": changed(
        DPA1, "model/descriptor", {"type": "se_r", "sel": [4, 8], "type_one_side": True}
    ),
    "se_e3": changed(DPA1, "model/descriptor", {"type": "se_at", "sel": "auto", "rcut": 3}),
    "se_a_ebd_v2": changed(DPA1, "model/descriptor", {"type": "se_a_tpe_v2", "sel": [4, 8]}),
    "se_a_mask": changed(
        changed(DPA1, "model/descriptor", {"type": "se_a_mask", "sel": [4, 8]}),
        "model/fitting_net",
        {"numb_aparam": 1, "use_aparam_as_mask": True},
    ),
    "electron configurations": changed(DPA1, "model/type_embedding", {"use_econf_tebd": True}),
    "linear": changed(DPA1, "model/type_embedding", {"activation_function": "Linear"}),
    "preset bias": changed(DPA1, "model/preset_out_bias", {"energy": [None, 1]}),
    "excluded": changed(
        changed(DPA2, "model/pair_exclude_types", [[0, 1]]), "model/atom_exclude_types", [1]
    ),
    "table": changed(
        SE_E2_A,
        "model",
        {
            **SE_E2_A["model"],
            **{"use_srtab": "t.txt", "smin_alpha": 0.1, "sw_rmin": 0.8, "sw_rmax": 1},
        },
    ),
    "combination": changed(
        SE_E2_A,
        "model",
        {
            "type": "linear_ener",
            "type_map": ["O", "H"],
            "models": [
                {**SE_E2_A["model"], "fitting_net": {}},
                {"type": "pairtab", "tab_file": "t.txt", "rcut": 5, "sel": [3, 4]},
                {"type": "frozen", "model_file": "m.pb"},
            ],
            "weights": "mean",
        },
    ),
    "default parameters": changed(WATER, "model/fitting_net/default_fparam", [0.5]),
    "decay rate": changed(DPA1, "learning_rate/decay_rate", 0.9),
    "every list": changed(WATER, "training/training_data/batch_size", [2, 3]),
    "tensorboard": changed(DPA1, "training/tensorboard", True),
    "full validation": changed(
        WATER,
        "validating",
        {"full_validation": True, "validation_metric": "V:RMSE", "full_val_start": 1000},
    ),
    "averages": changed(DPA1, "training/enable_ema", True),
    "mixed precision": changed(DPA1, "training/mixed_precision", {"compute_prec": "bfloat16"}),
    "AdamW": changed(DPA1, "optimizer", {"type": "AdamW", "weight_decay": 0.01}),
    "penalty": changed(DPA1, "optimizer", {"type": "Adam", "weight_decay": 0.1}),
    "absolute errors": changed(DPA1, "loss", {"loss_func": "mae", "f_use_norm": True}),
    "relative force": changed(DPA1, "loss", {"type": "ener_hess", "relative_f": 0.5}),
}
# Where our normal form says in other words what the input says.
RESTATED = {
    "model/descriptor/ln_eps",
    "model/descriptor/list/2/ln_eps",
    "model/descriptor/list/2/sel",
    "model/descriptor/repformer/ln_eps",
    "model/descriptor/tebd_input_mode",
    "model/weights",
    "training/training_data/systems",
    "training/validation_data/systems",
}

DEEPMD = """
import json, sys
from deepmd.tf.common import get_activation_func
from deepmd.tf.utils.finetune import replace_model_params_with_pretrained_model
from deepmd.tf.utils.graph import get_tensor_by_name
from deepmd.utils.argcheck import normalize
from deepmd.utils.compat import update_deepmd_input

job = json.load(open(sys.argv[1]))
for name in job["activations"]:
    get_activation_func(name)
scripts = [json.loads(get_tensor_by_name(p, "train_attr/training_script")) for p in job["models"]]
result = {
    "inputs": [normalize(update_deepmd_input(d, warning=False)) for d in job["inputs"]],
    "scripts": scripts,
    "fine_tuned": [
        replace_model_params_with_pretrained_model(d, job["models"][0]) for d in job["fine_tuned"]
    ],
}
json.dump(result, open(sys.argv[2], "w"))
"""


def ask_deepmd(folder, *, inputs=(), models=(), activations=(), fine_tuned=()):
    job = {
        "inputs": inputs,
        "models": [str(model) for model in models],
        "activations": activations,
        "fine_tuned": fine_tuned,
    }
    (folder / "job.json").write_text(json.dumps(job))
    run_python(DP320.require(), ["-c", DEEPMD, folder / "job.json", folder / "answer.json"], folder)
    return json.loads((folder / "answer.json").read_text())


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """For each case: our normal form, and DeePMD-kit's of the input and of our normal form."""
    ours = [Config.from_dict(normalize(upgrade(raw))).to_dict() for raw in MORE_CASES.values()]
    answer = ask_deepmd(
        tmp_path_factory.mktemp("deepmd"),
        # Without a loss section DeePMD-kit fills its defaults in later, out of sight.
        inputs=[*({"loss": {}, **raw} for raw in MORE_CASES.values()), *ours],
        activations=[*ACTIVATIONS, "silut:5.0"],
    )["inputs"]
    count = len(MORE_CASES)
    return dict(
        zip(MORE_CASES, zip(ours, answer[:count], answer[count:], strict=True), strict=True)
    )


def flat(tree, path=""):
    if isinstance(tree, list) and tree and all(isinstance(part, dict) for part in tree):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict):
        return {path: tree}
    leaves = {}
    for key, value in tree.items():
        leaves.update(flat(value, f"{path}/{key}" if path else str(key)))
    return leaves


@pytest.mark.parametrize("name", MORE_CASES)
def test_deepmd_reads_our_normal_form(answers, name):
    ours, _, theirs = answers[name]
    theirs = flat(theirs)
    assert {path: theirs[path] for path in flat(ours)} == flat(ours)


@pytest.mark.parametrize("name", MORE_CASES)
def test_defaults_are_deepmds(answers, name):
    ours, theirs, _ = answers[name]
    theirs = flat(theirs)
    different = {
        path: (value, theirs.get(path))
        for path, value in flat(ours).items()
        if path not in RESTATED and theirs.get(path) != value
        # As with the loss; inputs of version 0 cannot have the section.
        if not path.startswith("validating/") or "validating" in MORE_CASES[name]
    }
    raw = MORE_CASES[name]
    given = "type_embedding" in raw.get("model", {})
    for path in list(different):
        value, their_value = different[path]
        silent = path.startswith("model/type_embedding/") and not given
        summed = path == "model/descriptor/sel" and sum(their_value) == value
        named = path.endswith("/activation_function") and (
            str(their_value).lower().replace("none", "linear") == value
        )
        ratio = theirs["learning_rate/stop_lr_ratio"]
        stop = theirs["learning_rate/start_lr"] * ratio if ratio else their_value
        stops = path == "learning_rate/stop_lr" and value == pytest.approx(stop, rel=1e-12)
        if silent or summed or named or stops:
            del different[path]
    assert not different


@pytest.mark.parametrize("name", MORE_CASES)
def test_we_read_deepmds_normal_form(answers, name):
    ours, theirs, theirs_of_ours = answers[name]
    assert normalize(upgrade(theirs_of_ours)) == ours
    ours = {**ours, "learning_rate": {**ours["learning_rate"]}}
    again = normalize(upgrade(theirs))
    stop = again["learning_rate"].pop("stop_lr")
    assert stop == pytest.approx(ours["learning_rate"].pop("stop_lr"), rel=1e-12)
    assert again == ours


def test_published_training_scripts(shared, tmp_path):
    models = sorted((shared / "pretrained").glob("*.pb"))
    scripts = ask_deepmd(tmp_path, models=models)["scripts"]
    assert scripts
    ours = [Config.from_dict(normalize(upgrade(script))).to_dict() for script in scripts]
    for config, script in zip(ours, scripts, strict=True):
        assert config["model"]["type_map"] == script["model"]["type_map"]
        assert config["model"]["descriptor"]["sel"] == script["model"]["descriptor"]["sel"]
    theirs = ask_deepmd(tmp_path, inputs=ours)["inputs"]
    for config, answer in zip(ours, theirs, strict=True):
        answer = flat(answer)
        assert {path: answer[path] for path in flat(config)} == flat(config)


def test_fine_tuning_takes_the_same_sections(shared, tmp_path):
    minimal = {"type_map": ["O", "H"], "descriptor": {}, "fitting_net": {}}
    models = [
        minimal,
        {},
        {**minimal, "type_embedding": {"trainable": False}, "data_bias_nsample": 7},
        {**WATER["model"], "type_map": ["O"]},
        {**minimal, "fitting_net": {"neuron": [1], "trainable": [True, False, True, False]}},
    ]
    raw = [{**DPA1, "model": model} for model in models]
    published = shared / "pretrained" / "water_se_atten_f32.pb"
    answer = ask_deepmd(tmp_path, models=[published], fine_tuned=raw)
    for data, (theirs, target_types) in zip(raw, answer["fine_tuned"], strict=True):
        ours = merge_pretrained(data, answer["scripts"][0])
        assert normalize(upgrade(ours.input)) == normalize(upgrade(theirs))
        assert (ours.target_types or []) == target_types
