"""SavedModels for several processes: ghosts are evaluated, not looked up."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from small_models import dpa2, model_section, small_batch, small_model

from deepattn.descriptors.dpa2 import neighbor_vectors
from deepattn.errors import ConfigError
from deepattn.export import save_model, saved_model
from deepattn.export.saved_model import make_module
from deepattn.infer import DeepPot
from deepattn.models import open_model_file

PARAMETERS = {"numb_fparam": 2, "numb_aparam": 1}
SHORT = {"rcut": 2.3, "nlayers": 2}
NO_G1 = {f"update_g1_has_{term}": False for term in ("conv", "drrd", "attn")}
# By name the options of the repformer, and how many messages they pass.
MODELS = {
    "default": (SHORT, {}, 2),
    "plain": ({**SHORT, "g1_out_conv": False, "g1_out_mlp": False}, {"smooth": False}, 2),
    "pairs": ({**SHORT, **NO_G1, "nlayers": 3}, {}, 1),
    "local": ({**SHORT, **NO_G1, "update_g2_has_g1g1": False}, {}, 0),
}
BOX = np.array([[4.1, 0.0, 0.0], [1.1, 4.4, 0.0], [-0.7, 0.4, 4.8]])


def make(name):
    repformer, options, messages = MODELS[name]
    section = ({**dpa2({"rcut": 2.8}, repformer), **options}, PARAMETERS)
    model = small_model(*section)
    rng = np.random.default_rng(5)
    # Messages and angles that matter.
    arrays = {}
    for key, array in model.get_arrays().items():
        if key.endswith("dstd"):
            array = np.full_like(array, 0.1)
        elif "repformer_layers" in key or key.startswith("layer_"):
            array = rng.normal(scale=0.5, size=array.shape)
        arrays[key] = array
    model.set_arrays(arrays)
    module = make_module(model, training_script={"model": model_section(*section)}, parallel=True)
    return model, module, 2.8 + 2.3 * messages


@pytest.fixture
def eagerly():
    """Functions run without being traced, which takes many times as long."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module", params=[*MODELS, "in blocks"])
def exported(request):
    """A model, its functions, and the distance from which its messages come."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "in blocks":
            patch.setattr(saved_model, "_MOST_WHOLE", 0)
            patch.setattr(neighbor_vectors, "_SLOTS_AT_ONCE", 40)
        yield make("default" if request.param == "in blocks" else request.param)


@pytest.fixture(scope="module")
def one():
    return make("default")


def frame_of(model):
    inputs, _ = small_batch(nframes=1, natoms=8)
    rng = np.random.default_rng(4)
    inputs["box"] = BOX.reshape(1, 9)
    inputs["fparam"] = rng.normal(size=(1, 2))
    inputs["aparam"] = rng.normal(size=(1, 8, 1))
    return inputs, {name: np.asarray(value) for name, value in model(inputs).items()}


def domain(inputs, local, *, reach, mapped=False):
    """What a process with some atoms of a frame has: these, ghosts, a list; and whose images."""
    coord = inputs["coord"][0]
    shifts = np.indices((9, 9, 9)).reshape(3, -1).T - 4
    everything = (coord + (shifts @ BOX)[:, None]).reshape(-1, 3)
    owner = np.tile(np.arange(len(coord)), len(shifts))
    home = np.repeat((shifts == 0).all(axis=1), len(coord)) & np.isin(owner, local)
    near = np.linalg.norm(everything[:, None] - coord[local], axis=-1).min(axis=1) < reach
    ghosts = np.random.default_rng(2).permutation(np.flatnonzero(near & ~home))
    atoms = np.concatenate([np.flatnonzero(home), ghosts])
    place, owner, nloc = everything[atoms], owner[atoms], len(local)
    distance = np.linalg.norm(place[:nloc, None] - place, axis=-1)
    distance[np.diag_indices(nloc)] = np.inf
    width = (distance < reach).sum(axis=1).max()
    nlist = np.full((nloc, width), -1)
    for row, far in zip(nlist, distance, strict=True):
        [found] = np.nonzero(far < reach)
        row[: len(found)] = found
    mapping = owner if mapped else np.full_like(owner, -1)
    arguments = (place, inputs["atype"][0, owner], nlist, mapping)
    arguments = [array[None] for array in arguments]
    return [*arguments, inputs["fparam"], inputs["aparam"][:, local]], owner


def check(module, inputs, expected, parts, **how):
    """The results of some processes add up to those of the frame."""
    total = {"force": np.zeros((8, 3)), "shares": np.zeros((8, 9)), "virial": np.zeros(9)}
    for local in parts:
        arguments, owner = domain(inputs, np.array(local), **how)
        found = module.call_lower_atomic_virial(*map(tf.constant, arguments))
        np.testing.assert_allclose(
            found["energy"][0, :, 0], expected["atom_energy"][0, local], rtol=0, atol=1e-12
        )
        np.add.at(total["force"], owner, found["energy_derv_r"][0, :, 0].numpy())
        np.add.at(total["shares"], owner, found["energy_derv_c"][0, :, 0].numpy())
        total["virial"] += found["energy_derv_c_redu"][0, 0]
    for name, value in (
        ("force", expected["force"]),
        ("shares", expected["atom_virial"]),
        ("virial", expected["virial"]),
    ):
        np.testing.assert_allclose(total[name], value[0], rtol=0, atol=1e-12, err_msg=name)


def test_processes_add_up_to_one(exported, eagerly):
    model, module, reach = exported
    inputs, expected = frame_of(model)
    assert module.get_rcut().numpy() == pytest.approx(reach)
    assert np.ptp(expected["force"]) > 1e-2
    check(module, inputs, expected, [[0, 3, 5, 6, 7], [1, 2, 4]], reach=reach + 0.3)
    check(module, inputs, expected, [range(8)], reach=reach + 0.3)
    check(module, inputs, expected, [range(8)], reach=3.0, mapped=True)


def test_messages_of_each_layer(one, eagerly):
    """An atom feels the end of a chain through others, and of its own process only itself."""
    model, module, _ = one
    inputs, _ = frame_of(model)
    chain = np.array([[0.0, 0.1, 0.0], [1.9, 0.0, 0.1], [3.8, 0.2, 0.0], [6.2, 0.0, 0.0]])
    parameters = (inputs["fparam"], inputs["aparam"][:, :1])

    def energies(count):
        lists, unknown = np.array([[[1, 2]]]), np.full((1, count), -1)
        frame = (chain[None, :count], inputs["atype"][:, :count], lists, unknown, *parameters)
        ours = module.call_lower(*map(tf.constant, frame))["energy"][0, 0, 0]
        whole = {**inputs, "coord": frame[0], "atype": frame[1], "box": np.zeros((1, 9))}
        whole["aparam"] = inputs["aparam"][:, :count]
        return float(ours), float(model(whole)["atom_energy"][0, 0])

    long, short = energies(4), energies(3)
    assert long[0] == pytest.approx(long[1], abs=1e-13)
    assert short[0] == pytest.approx(short[1], abs=1e-13)
    assert abs(long[0] - short[0]) > 1e-9


def test_lists_that_leave_neighbors_out_are_refused(one, eagerly):
    model, module, reach = one
    inputs, _ = frame_of(model)
    arguments, _ = domain(inputs, np.arange(8), reach=reach)
    lists = arguments[2]
    coord = arguments[0][0]
    nearest = np.linalg.norm(coord[lists[0, 2]] - coord[2], axis=-1).argmin()
    lists[0, 2, nearest] = -1
    with pytest.raises(tf.errors.InvalidArgumentError, match="special_bonds"):
        module.call_lower(*map(tf.constant, arguments))


def test_without_a_list(one, eagerly):
    model, module, _ = one
    inputs, expected = frame_of(model)
    two = {name: np.concatenate([value, value]) for name, value in inputs.items()}
    arguments = [two[name] for name in ("coord", "atype", "box", "fparam", "aparam")]
    arguments[2] = arguments[2].reshape(-1, 3, 3)
    found = module.call(*map(tf.constant, arguments))
    np.testing.assert_allclose(found["energy_redu"][:, 0], expected["energy"].repeat(2), atol=1e-12)
    np.testing.assert_allclose(found["energy_derv_r"][1, :, 0], expected["force"][0], atol=1e-12)


def test_the_file(tmp_path, caplog):
    """LAMMPS is told nothing of messages, our reader the cutoff of neighbors."""
    few = {**NO_G1, "update_g1_has_conv": True, "update_g2_has_attn": False}
    section = dpa2({"rcut": 6.0, "use_three_body": False}, {"rcut": 4.0, "nlayers": 1, **few})
    model, path = small_model(section), tmp_path / "model.savedmodeltf"
    with caplog.at_level(logging.INFO, "deepattn"):
        save_model(model, path, training_script={"model": model_section(section)}, parallel=True)
    assert "10 Å" in caplog.text and "neigh_modify" not in caplog.text
    saved = open_model_file(path).saved
    assert saved.number("get_rcut") == 10.0
    assert saved.number("has_message_passing") is False
    with DeepPot(path) as pot:
        assert pot.get_rcut() == 6.0


def test_long_lists_are_announced(tmp_path, caplog, monkeypatch):
    """With the line for LAMMPS' input."""
    from deepattn.export import saved_model

    model = small_model(dpa2({"rcut": 6.0}, {"rcut": 4.0, "nlayers": 3}))
    monkeypatch.setattr(tf.saved_model, "save", lambda *_, **__: None)
    monkeypatch.setattr(saved_model, "make_module", lambda *_, **__: None)
    monkeypatch.setattr(saved_model, "_try", lambda *_: None)
    with caplog.at_level(logging.INFO, "deepattn"):
        save_model(model, tmp_path / "m.savedmodeltf", training_script={}, parallel=True)
    assert "18 Å" in caplog.text
    assert "neigh_modify one 7000 page 70000" in caplog.text


def test_models_without_messages(tmp_path):
    with pytest.raises(ConfigError, match=r"omit --parallel"):
        save_model(small_model(), tmp_path / "m.savedmodeltf", training_script={}, parallel=True)


def test_models_that_see_the_first_atom(tmp_path):
    """Which atom is the first differs between processes."""
    model = small_model(dpa2())
    name = "descriptor/repinit_variable/davg"
    arrays = model.get_arrays()
    model.set_arrays({**arrays, name: arrays[name] + 0.1})
    with pytest.raises(ConfigError, match="set_davg_zero"):
        save_model(model, tmp_path / "m.savedmodeltf", training_script={}, parallel=True)
    assert not list(tmp_path.iterdir())
