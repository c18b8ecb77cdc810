"""Defaults, the canonical form, and every refusal."""

import copy

import pytest

from deepattn.config import normalize, normalize_model, upgrade
from deepattn.errors import ConfigError

from .inputs import CASES, DPA1, DPA2, SE_E2_A, WATER, changed, without


@pytest.mark.parametrize("name", CASES)
def test_normal_form_is_a_fixed_point(name):
    raw = upgrade(CASES[name])
    before = copy.deepcopy(raw)
    full = normalize(raw)
    assert raw == before
    assert normalize(full) == full


def test_defaults_of_the_smallest_input():
    full = normalize(upgrade(DPA1))
    assert full["model"]["type_embedding"] == {
        "neuron": [8],
        "activation_function": "linear",
        "resnet_dt": False,
        "precision": "default",
        "trainable": True,
        "seed": None,
        "use_econf_tebd": False,
        "use_tebd_bias": False,
    }
    descriptor = full["model"]["descriptor"]
    assert descriptor["set_davg_zero"] is True
    assert (descriptor["attn"], descriptor["attn_layer"], descriptor["ln_eps"]) == (128, 2, 1e-3)
    assert full["learning_rate"]["stop_lr"] == 5e-8
    assert full["loss"]["start_pref_f"] == 1000
    betas = {"adam_beta1": 0.9, "adam_beta2": 0.999}
    assert full["optimizer"] == {"type": "Adam", **betas, "weight_decay": 0.0}
    assert full["training"]["validation_data"] is None
    assert full["training"]["training_data"]["batch_size"] == "auto"
    assert full["validating"]["full_validation"] is False


def test_empty_type_embedding_is_tanh():
    full = normalize(changed(DPA1, "model/type_embedding", {}))
    assert full["model"]["type_embedding"]["activation_function"] == "tanh"


def test_sel_list_is_summed():
    full = normalize(changed(DPA1, "model/descriptor/sel", [10, 20]))
    assert full["model"]["descriptor"]["sel"] == 30


@pytest.mark.parametrize(("old", "mode"), [(True, "strip"), (False, "concat"), (None, "strip")])
def test_stripped_type_embedding_overrides(old, mode):
    data = changed(DPA1, "model/descriptor/tebd_input_mode", "strip")
    full = normalize(changed(data, "model/descriptor/stripped_type_embedding", old))
    assert full["model"]["descriptor"]["tebd_input_mode"] == mode
    assert "stripped_type_embedding" not in full["model"]["descriptor"]


def test_stop_lr_ratio():
    data = changed(DPA1, "learning_rate/stop_lr_ratio", 0.01)
    assert normalize(data)["learning_rate"]["stop_lr"] == pytest.approx(1e-5)


def test_save_dir_holds_the_files_of_a_training():
    data = changed(DPA1, "training/save_dir", "run")
    data = changed(data, "training/disp_file", "/tmp/lcurve.out")
    full = normalize(changed(data, "training/save_ckpt", "best/"))
    training = full["training"]
    assert "save_dir" not in training and normalize(full) == full
    assert training["save_ckpt"] == "run/best/model.ckpt"
    assert training["disp_file"] == "/tmp/lcurve.out"
    assert training["tensorboard_log_dir"] == "run/log"
    assert training["profiling_file"] == "run/timeline.json"
    with pytest.raises(ConfigError, match="training/save_dir is ''; it must name a folder"):
        normalize(changed(DPA1, "training/save_dir", ""))


def test_numbers_and_names_are_canonical():
    full = normalize(upgrade(WATER))
    assert isinstance(full["model"]["descriptor"]["rcut"], float)
    assert full["model"]["fitting_net"]["activation_function"] == "silut:5.0"
    assert full["training"]["validation_data"]["systems"] == ["data/c"]
    assert full["training"]["validation_data"]["numb_btch"] == 3
    assert full["training"]["numb_steps"] == 1000000


def test_model_alone():
    assert normalize_model(DPA1["model"]) == normalize(DPA1)["model"]


DESCRIPTOR = "model/descriptor"
FITTING = "model/fitting_net"
RATE = "learning_rate"
DATA = "training/training_data"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # Unknown keys and kinds
        (f"{DESCRIPTOR}/rcutt", 6.0, "is not a key of the input; did you mean model/descr.*/rcut?"),
        ("modle", {}, "modle is not a key of the input; did you mean model?"),
        ("modle\n", {}, r"^.modle\\n. is not a key of the input; did you mean model\?$"),
        ("training/zzz", 1, "training/zzz is not a key of the input; remove it."),
        (
            f"{DESCRIPTOR}/type",
            "dpa3",
            "is 'dpa3', which is not supported; use se_e2_a, se_a_ebd_v2, se_e2_r, se_e3, ",
        ),
        (f"{DESCRIPTOR}/type", "loc_frame", "'loc_frame', which is not supported"),
        (DESCRIPTOR, {"type": "hybrid"}, "descriptor/list is required"),
        (DESCRIPTOR, {"type": "hybrid", "list": []}, "list is empty; it must have one"),
        (DESCRIPTOR, {"type": "hybrid", "list": {}}, "list is {}; it must be a list"),
        (DESCRIPTOR, {"type": "hybrid", "list": [3]}, "list/0 is 3; it must be a mapping"),
        (
            DESCRIPTOR,
            {"type": "hybrid", "list": [{"type": "hybrid", "list": []}]},
            "list/0/type is 'hybrid', which is not supported",
        ),
        (
            DESCRIPTOR,
            {"type": "hybrid", "list": [{"type": "se_e2_r", "sel": [3]}]},
            "list/0/sel is .* one number per type",
        ),
        (
            DESCRIPTOR,
            {"type": "hybrid", "list": [{"type": "se_e2_r", "sel": [3, 4], "rcut": -1}]},
            "list/0/rcut is -1.0; it must be positive",
        ),
        (
            DESCRIPTOR,
            {"type": "hybrid", "list": [{"type": "se_e3", "sel": [3, 4], "exclude_types": [[2]]}]},
            "list/0/exclude_types is .* pairs of type indices",
        ),
        (
            DESCRIPTOR,
            {"type": "hybrid", "list": [{"type": "dpa2", **DPA2["model"]["descriptor"]}]},
            "list/0/type is dpa2, which cannot be a part of a hybrid",
        ),
        (
            DESCRIPTOR,
            {"type": "hybrid", "list": [{"type": "se_atten", "sel": 9, "temperature": 0.5}]},
            "list/0/temperature is not supported in a hybrid",
        ),
        (f"{DESCRIPTOR}/type", 3, "is 3, which is not supported"),
        (f"{FITTING}/type", "population", "model/fitting_net/type is 'population', .* use ener"),
        (f"{FITTING}/type", "dos", "gives densities of states; set loss/type to dos"),
        (
            "model/type",
            "frozen",
            "model/type is 'frozen', .* use standard, linear_ener or pairwise_dprc",
        ),
        ("model/type", "pairtab", "'pairtab'"),
        ("model/type", "linear_ener", "model/models must have one model of type standard"),
        ("loss/type", "dens", "loss/type is 'dens', .* use ener, dos"),
        (f"{RATE}/type", "step", "is 'step', .* use exp, cosine or wsd"),
        ("optimizer/type", "LKF", "optimizer/type is 'LKF', .* use Adam"),
        # Keys that are not supported
        (
            "model/model_dict",
            {"a": {}},
            "model/model_dict = .* is for multi-task inputs",
        ),
        ("model/use_srtab", "t.txt", "model/use_srtab needs model/smin_alpha"),
        ("model/sw_rmin", 1.0, "model/sw_rmin needs model/use_srtab"),
        (
            "model/pair_exclude_types",
            [[0, 1]],
            r"pair_exclude_types = \[\[0, 1\]\] needs .* common",
        ),
        ("model/atom_exclude_types", [0], r"atom_exclude_types = \[0\] needs model/convention"),
        ("model/pair_exclude_types", [[0, 2]], "pairs of type indices from 0 to 1"),
        ("model/atom_exclude_types", [-1], "a list of type indices from 0 to 1"),
        ("model/spin", {"use_spin": [True]}, "model/spin/use_spin is .* one value for each type"),
        ("model/modifier", {"type": "dipole_charge"}, "model/modifier"),
        (f"{DESCRIPTOR}/env_protection", 0.1, "env_protection = 0.1 needs model/convention common"),
        (f"{DESCRIPTOR}/tebd_dim", 16, "model/type_embedding/neuron"),
        (f"{DESCRIPTOR}/scaling_factor", 2.0, "scaling_factor"),
        (f"{DESCRIPTOR}/normalize", False, "normalize = False needs model/convention common"),
        (f"{DESCRIPTOR}/temperature", 0.5, "temperature"),
        (f"{DESCRIPTOR}/concat_output_tebd", False, "concat_output_tebd = .* model/convention"),
        (f"{FITTING}/layer_name", ["a"], "layer_name is .* be a list of [0-9]+ names"),
        (f"{FITTING}/use_aparam_as_mask", True, "use_aparam_as_mask"),
        (f"{FITTING}/default_fparam", [1.0], "default_fparam is .* be a list of 0 finite numbers"),
        (f"{DESCRIPTOR}/use_econf_tebd", True, "set model/type_embedding/use_econf_tebd"),
        ("loss/loss_func", "mad", "loss_func is 'mad'; it must be mse or mae"),
        ("loss/f_use_norm", True, "f_use_norm needs loss_func mae or use_huber"),
        ("loss/start_pref_h", -1.0, "start_pref_h"),
        ("optimizer/weight_decay", -0.1, "weight_decay is -0.1; it must be at least 0"),
        ("optimizer/type", "LKF", "optimizer/type"),
        ("optimizer/type", "AdamW", "optimizer/weight_decay is required"),
        ("training/mixed_precision", {"compute_prec": "float16"}, "it must be bfloat16"),
        ("training/mixed_precision", {}, "compute_prec is required"),
        (
            "training/mixed_precision",
            {"compute_prec": "bfloat16", "output_prec": "float64"},
            "output_prec is 'float64'; it must be float32",
        ),
        ("training/ema_decay", 1, "ema_decay is 1.0; it must be at least 0 and less than 1"),
        ("training/zero_stage", True, "zero_stage = True"),
        (f"{DATA}/min_pair_dist", 0.5, "min_pair_dist = 0.5"),
        ("validating/full_validation", True, "full_validation needs validation data"),
        ("nvnmd", {"version": 0}, "nvnmd"),
        # Types
        ("model", [], r"model is \[\]; it must be a mapping"),
        (f"{DESCRIPTOR}/rcut", "six", "rcut is 'six'; it must be a finite number"),
        (f"{DESCRIPTOR}/rcut", True, "rcut is True; it must be a finite number"),
        (f"{DESCRIPTOR}/rcut", float("inf"), "rcut is inf; it must be a finite number"),
        (f"{DESCRIPTOR}/rcut", 10**400, "it must be a finite number"),
        (f"{DESCRIPTOR}/neuron", [8.0], "it must be a list of integers"),
        (f"{DESCRIPTOR}/attn", False, "attn is False; it must be an integer"),
        (
            f"{DESCRIPTOR}/sel",
            None,
            "sel is None; it must be an integer, a string or a list of integers",
        ),
        ("training/numb_steps", "5", "numb_steps is '5'; it must be null or an integer"),
        ("training/validation_data", 5, "validation_data is 5; it must be null or a mapping"),
        # Values
        ("model/type_map", ["O", "O"], "type_map has 'O' twice"),
        ("model/type_map", ["O", "H 2"], "type_map has the name 'H 2'"),
        ("model/type_map", [], "model/type_map is required"),
        ("model/data_stat_nbatch", 0, "data_stat_nbatch is 0; it must be at least 1"),
        ("model/data_stat_protect", 0.0, "data_stat_protect is 0.0; it must be positive"),
        ("model/preset_out_bias", {"dipole": []}, 'must have "energy" as its only key'),
        ("model/preset_out_bias", {"energy": [1.0]}, "null per type"),
        ("model/preset_out_bias", {"energy": [1.0, "a"]}, "energies and nulls"),
        (f"{DESCRIPTOR}/sel", "auto:", "sel is 'auto:'; it must be auto, auto:f"),
        (f"{DESCRIPTOR}/sel", "auto:0", "sel is 'auto:0'"),
        (f"{DESCRIPTOR}/sel", "120", "sel is '120'"),
        (f"{DESCRIPTOR}/sel", 0, "sel is 0; it must be at least 1"),
        (f"{DESCRIPTOR}/rcut", -1.0, "rcut is -1.0; it must be positive"),
        (
            f"{DESCRIPTOR}/rcut_smth",
            6.0,
            "rcut_smth is 6.0; it must be at least 0 and less than rcut",
        ),
        (f"{DESCRIPTOR}/neuron", [], r"neuron is \[\]; it must be a list of positive integers"),
        (
            f"{DESCRIPTOR}/axis_neuron",
            41,
            r"axis_neuron is 41; .* last width of neuron \(40\)",
        ),
        (f"{DESCRIPTOR}/exclude_types", [[0, 2]], "pairs of type indices from 0 to 1"),
        (f"{DESCRIPTOR}/exclude_types", [[0]], "pairs of type indices"),
        (f"{DESCRIPTOR}/activation_function", "tanhh", "activation_function is 'tanhh'"),
        (f"{DESCRIPTOR}/activation_function", "silut:a", "activation_function is 'silut:a'"),
        (f"{DESCRIPTOR}/precision", "float16", "precision is 'float16'; it must be default, float"),
        (f"{FITTING}/precision", "bfloat16", "model/fitting_net/precision is 'bfloat16'"),
        (f"{DESCRIPTOR}/tebd_input_mode", "add", "it must be concat or strip"),
        (f"{DESCRIPTOR}/attn_layer", -1, "attn_layer is -1"),
        (f"{DESCRIPTOR}/ln_eps", 0.0, "ln_eps is 0.0"),
        (f"{FITTING}/trainable", [True], "one value or a list of 4"),
        (f"{FITTING}/atom_ener", [1.0], "atom_ener is .* null per type"),
        (f"{FITTING}/numb_fparam", -1, "numb_fparam is -1"),
        (f"{RATE}/start_lr", 0, "start_lr is 0.0; it must be positive"),
        (f"{RATE}/stop_lr", 0, "stop_lr is 0.0; it must be positive"),
        (f"{RATE}/decay_rate", 1.5, "decay_rate is 1.5"),
        (f"{RATE}/decay_steps", 0, "decay_steps is 0"),
        (f"{RATE}/warmup_steps", 100, r"less than training/numb_steps \(100\)"),
        (f"{RATE}/warmup_ratio", 1.0, "warmup_ratio is 1.0"),
        (f"{RATE}/scale_by_worker", "cubic", "scale_by_worker is 'cubic'"),
        ("loss/start_pref_e", -1, "start_pref_e is -1.0"),
        ("loss/start_pref_gf", 1, "numb_generalized_coord is 0"),
        ("loss/huber_delta", [0.1], "huber_delta"),
        ("training/numb_steps", -1, "numb_steps is -1"),
        ("training/numb_epoch", 1, "training has both of numb_steps and numb_epoch"),
        ("training/disp_freq", 0, "disp_freq is 0; it must be at least 1"),
        ("training/gradient_max_norm", 0, "gradient_max_norm is 0.0; it must be positive"),
        ("training/save_ckpt", "", "save_ckpt is ''; it must name a file"),
        ("training/save_ckpt", "run/..", "save_ckpt is 'run/..'; it must name a file"),
        ("training/disp_file", "run/", "disp_file is 'run/'; it must name a file"),
        (f"{DATA}/systems", [], "training_data/systems is"),
        (f"{DATA}/batch_size", 0, "batch_size is 0"),
        (f"{DATA}/batch_size", "mixed", "batch_size is 'mixed'; it must be auto, auto:M"),
        (f"{DATA}/batch_size", [1, 0], "batch_size"),
        (f"{DATA}/auto_prob", "prob_sys_size;0:1", "auto_prob"),
        (f"{DATA}/sys_probs", [0.5, 0.4], "must sum to 1, not 0.9"),
        (f"{DATA}/sys_probs", [1.5, -1], "must sum to at most 1, not 1.5"),
        (f"{DATA}/sys_probs", [0.333332] * 3, "must sum to 1, not 0.999996"),
        (f"{DATA}/auto_prob", "prob_sys_size;0:1:0", "must have a positive weight"),
        (f"{RATE}/start_lr", 1e39, "start_lr is 1e\\+39; it must be representable in float32"),
    ],
)
def test_refused(path, value, expected):
    with pytest.raises(ConfigError, match=expected) as caught:
        normalize(changed(DPA1, path, value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([], r"the input is \[\]; it must be a mapping"),
        (
            without(DPA1, "learning_rate"),
            "learning_rate is required: schedule of the learning rate",
        ),
        (without(DPA1, "learning_rate/start_lr"), "learning_rate/start_lr is required"),
        (without(DPA1, "training/training_data"), "training/training_data is required"),
        (without(DPA1, "training/training_data/systems"), "training_data/systems is required"),
        (without(DPA1, "training/numb_steps"), "neither of numb_steps and numb_epoch"),
        (
            without(DPA1, "model/descriptor/type"),
            "descriptor/type is required; give one of se_e2_a",
        ),
        (without(DPA1, "model/type_map"), "model/type_map is required"),
        (changed(SE_E2_A, "model/descriptor/sel", [1]), "one number per type"),
        (changed(SE_E2_A, "model/descriptor/sel", [-1, 2]), "be a non-empty list of numbers"),
        (changed(SE_E2_A, "model/descriptor/sel", [10**12, 2]), "have a sum of at most 1048576"),
        (changed(DPA1, "model/descriptor/sel", 10**12), "be at most 1048576"),
        (changed(DPA1, "model/descriptor/attn", 10**9), "be at most 65536"),
        (changed(DPA1, "model/descriptor/attn_layer", 10**9), "be at most 1000"),
        (changed(DPA1, "model/fitting_net/neuron", [10**9] * 2), "have widths of at most 65536"),
        (changed(DPA1, "model/fitting_net/neuron", [2] * 1001), "have at most 1000 layers"),
        (changed(DPA1, "model/fitting_net/numb_fparam", 10**9), "be at most 65536"),
        (changed(DPA2, "model/descriptor/repformer/nlayers", 10**9), "be at most 1000"),
        (changed(DPA2, "model/descriptor/repformer/g1_dim", 10**9), "be at most 65536"),
        (
            changed(without(SE_E2_A, "model/type_map"), "model/descriptor/sel", "auto"),
            "model/type_map is required",
        ),
        (
            changed(
                changed(DPA1, "model/type_embedding", {"use_econf_tebd": True}),
                "model/type_map",
                ["O", "Wat"],
            ),
            "needs the names of elements in model/type_map, which contains 'Wat'",
        ),
        (changed(SE_E2_A, "model/descriptor/attn", 4), "model/descriptor/attn is not a key"),
        (changed(SE_E2_A, "training/training_data/batch_size", "mixed:2"), "need the descriptor"),
        (changed(SE_E2_A, "learning_rate/decay_type", "sudden"), "decay_type is 'sudden'"),
        (changed(SE_E2_A, "learning_rate/decay_phase_ratio", 0), "decay_phase_ratio is 0.0"),
        (changed(WATER, "loss/start_pref_pf", 1), "use_huber cannot be combined"),
        (changed(WATER, "learning_rate/warmup_steps", 5), "both warmup_steps 5 and warmup_ratio"),
        (changed(WATER, "learning_rate/stop_lr_ratio", 0.1), "both stop_lr .* and stop_lr_ratio"),
        (
            changed(WATER, "model/descriptor/tebd_input_mode", "strip"),
            "tebd_input_mode is not a key",
        ),
    ],
)
def test_what_does_not_go_together(data, expected):
    if isinstance(data, dict):
        data = upgrade(data)
    with pytest.raises(ConfigError, match=expected):
        normalize(data)


def test_alias_beside_its_name():
    data = changed(SE_E2_A, "model/descriptor/axis_neuron", 4)
    with pytest.raises(
        ConfigError, match="axis_neuron repeats model/descriptor/axis_neuron; keep one"
    ):
        normalize(data)


def test_no_weight_at_all():
    loss = {f"{end}_pref_{x}": 0 for end in ("start", "limit") for x in "ef"}
    with pytest.raises(ConfigError, match="loss has no positive prefactor"):
        normalize(changed(DPA1, "loss", loss))


def test_epsilon_of_either_convention():
    attention = changed(DPA1, "model/descriptor/attn_layer", 1)
    found = [
        normalize(changed(attention, "model/convention", name))["model"]["descriptor"]["ln_eps"]
        for name in ("tensorflow", "common")
    ]
    assert found == [1e-3, 1e-5]


def test_a_folder_of_checkpoints_has_the_usual_names():
    assert normalize(changed(DPA1, "training/save_ckpt", "run/"))["training"]["save_ckpt"] == (
        "run/model.ckpt"
    )
