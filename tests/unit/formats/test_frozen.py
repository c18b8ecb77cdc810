import numpy as np
import pytest

from deepattn.errors import ModelFileError
from deepattn.formats.frozen import read_frozen

from .small_graphs import SCRIPT, energy_model


def read(tmp_path, **changes):
    path = tmp_path / "m.pb"
    path.write_bytes(energy_model(**changes).SerializeToString())
    return read_frozen(path)


def test_what_a_model_says(tmp_path):
    model = read(tmp_path)
    assert model.training_script == SCRIPT
    assert model.type_map == ["O", "H"]
    assert (model.rcut, model.ntypes, model.dfparam, model.daparam) == (6.0, 2, 0, 0)
    assert (model.min_nbor_dist, model.model_type) == (0.9, "original_model")
    assert (model.sel, model.original_sel) == ([40], [40])
    assert model.interface_dtype == "float64"
    assert list(model.weights) == ["layer_0/matrix"]


def test_what_a_model_may_leave_out(tmp_path):
    model = read(
        tmp_path,
        **{
            "model_type": None,
            "train_attr/training_script": None,
            "train_attr/min_nbor_dist": None,
            "fitting_attr/dfparam": None,
            "fitting_attr/daparam": None,
            "descrpt_attr/sel": None,
            "descrpt_attr/rcut": np.float32(6.0),
        },
    )
    assert model.model_type is model.training_script is model.min_nbor_dist is None
    assert (model.dfparam, model.daparam, model.sel) == (0, 0, [])
    assert model.interface_dtype == "float32"


@pytest.mark.parametrize("layer", [0, 1, 12])
def test_layer_norms_of_old_files_get_their_present_name(tmp_path, layer):
    stored = f"attention_layer_{layer}/layer_normalization_{layer + 3}/gamma"
    model = read(tmp_path, **{stored: np.ones(4)})
    assert f"attention_layer_{layer}/layer_normalization/gamma" in model.weights


def test_weights_and_statistics_only(tmp_path):
    kept = [
        "filter_type_all/matrix_1",
        "filter_type_all/bias_2_two_side_ebd",
        "filter_type_0/idt_1_1",
        "type_embed_net/matrix_1",
        "attention_layer_0/c_query/matrix",
        "layer_1_type_0/idt",
        "final_layer/bias",
        "descrpt_attr/t_avg",
        "fitting_attr/t_bias_atom_e",
        "fitting_attr/t_aparam_istd",
        "model_attr/model_attr/t_out_std",
    ]
    dropped = [
        "filter_type_all/Reshape/x",
        "attention_layer_0/eye/ones",
        "attention_layer_1/ones",
        "gradients/grad_ys_0",
    ]
    model = read(tmp_path, **{name: np.ones(2) for name in kept + dropped})
    assert set(model.weights) == {*kept, "layer_0/matrix"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_attr/model_version": "2.0"}, "has model version 2.0"),
        ({"model_attr/model_version": None}, "has model version 0.0"),
        ({"model_attr/model_version": "1.2"}, "has model version 1.2"),
        ({"descrpt_attr/rcut": None}, "the node 'descrpt_attr/rcut' is missing"),
        ({"descrpt_attr/rcut": np.float64("nan")}, "invalid cutoff radius nan"),
        ({"descrpt_attr/rcut": np.float64(-2)}, "invalid cutoff radius -2"),
        ({"descrpt_attr/rcut": np.int32(6)}, "neither float32 nor float64"),
        ({"descrpt_attr/ntypes": np.int32(3)}, "has 3 atom types .* but 2 names"),
        ({"descrpt_attr/ntypes": "2"}, "'descrpt_attr/ntypes' has an unexpected shape or type"),
        ({"model_attr/tmap": np.int32(1)}, "'model_attr/tmap' has an unexpected shape or type"),
        *(
            ({name: np.ones(2, np.int32)}, f"'{name}' has an unexpected shape or type")
            for name in (
                "model_attr/model_version",
                "model_attr/model_type",
                "model_type",
                "train_attr/min_nbor_dist",
                "train_attr/training_script",
            )
        ),
        ({"descrpt_attr/sel": np.ones(2)}, "'descrpt_attr/sel' does not contain integers"),
        ({"train_attr/training_script": "{"}, "is not a JSON object"),
        ({"train_attr/training_script": "[1]"}, "is not a JSON object"),
        ({"layer_1/matrix": np.ones(2, np.int32)}, "'layer_1/matrix' is not floating point"),
        (
            {"attention_layer_0/c_qkv/matrix": np.ones(2)},
            "'attention_layer_0/c_qkv/matrix' has an unknown name",
        ),
        (
            {
                "attention_layer_1/layer_normalization/beta": np.ones(2),
                "attention_layer_1/layer_normalization_1/beta": np.ones(2),
            },
            "two arrays have the name 'attention_layer_1/layer_normalization/beta'",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path, changes, message):
    with pytest.raises(ModelFileError, match=f"m.pb: .*{message}"):
        read(tmp_path, **changes)


def test_published_models(shared):
    model = read_frozen(shared / "pretrained" / "oc2m_se_atten_f32.pb")
    assert (model.ntypes, model.rcut, model.sel) == (57, 9.0, [120])
    assert model.weights["attention_layer_1/layer_normalization/gamma"].shape == (100,)
    assert model.weights["fitting_attr/t_bias_atom_e"].shape == (57,)
    assert model.training_script["model"]["descriptor"]["type"] == "se_atten"
