"""Sections of DPA-2: every refusal."""

import pytest

from deepattn.config import normalize
from deepattn.errors import ConfigError

from .inputs import DPA2, changed


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("repinit/nsel", "most", "repinit/nsel is 'most'; it must be auto, auto:f"),
        ("repinit/rcut", 4, "repformer/rcut is 4.0; it must be smaller than .*repinit/rcut"),
        ("repformer/nsel", 120, r"nsel is 120; it must be smaller than .*repinit/nsel \(12"),
        ("repinit/three_body_rcut", 5, r"sel is 40; .*/repformer/nsel \(48\), which has a shorter"),
        ("repinit/three_body_rcut", 7, "three_body_rcut is 7.0; it must be at most .*6.0"),
        ("repinit/three_body_neuron", [], r"three_body_neuron is \[\]"),
        ("repinit/axis_neuron", 101, r"axis_neuron is 101; .* last width of neuron \(100\)"),
        ("repformer/axis_neuron", 17, r"between 1 and g2_dim \(16\)"),
        ("repformer/update_style", "res", "be one of res_avg, res_incr, res_residual"),
        ("repformer/update_residual_init", "zero", "be norm or const"),
        ("repformer/update_residual", -1, "update_residual is -1.0; it must be at least 0"),
        ("repinit/three_body_sel", 121, "three_body_sel is 121; it must be at most .*nsel"),
        ("repformer/nlayers", 0, "nlayers is 0; it must be at least 1"),
        ("repformer/rcut_smth", 4.0, "rcut_smth is 4.0; it must be at least 0 and less than rcut"),
        ("env_protection", -0.1, "env_protection is -0.1; it must be at least 0"),
        ("attn", 3, "model/descriptor/attn is not a key of the input"),
    ],
)
def test_refused(path, value, expected):
    with pytest.raises(ConfigError, match=expected):
        normalize(changed(DPA2, f"model/descriptor/{path}", value))


def test_its_convention_is_common():
    with pytest.raises(
        ConfigError, match=r"model/convention tensorflow is not available for .* dpa2"
    ):
        normalize(changed(DPA2, "model/convention", "tensorflow"))
    assert normalize(changed(DPA2, "model/convention", "common")) == normalize(DPA2)


def test_no_section_of_a_type_embedding():
    with pytest.raises(
        ConfigError, match="model/type_embedding is not available for the descriptor dpa2"
    ):
        normalize(changed(DPA2, "model/type_embedding", {}))


def test_a_layer_without_input():
    data = changed(DPA2, "model/descriptor/repformer/update_g1_has_grrg", False)
    with pytest.raises(ConfigError, match="leaves the layer of g1 without input"):
        normalize(changed(data, "model/descriptor/repformer/update_g1_has_drrd", False))


def test_electrons_need_elements():
    data = changed(DPA2, "model/type_map", ["O", "X"])
    with pytest.raises(ConfigError, match="descriptor/use_econf_tebd needs the names of elements"):
        normalize(changed(data, "model/descriptor/use_econf_tebd", True))
