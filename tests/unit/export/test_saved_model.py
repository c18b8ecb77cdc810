"""The SavedModel: functions as DeePMD-kit finds and calls them, and the folder."""

import errno
import json
import re
import resource
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from small_models import TYPE_MAP, dpa2, model_section, small_batch, small_model
from tensorflow.core.protobuf import saved_model_pb2

from deepattn.descriptors.dpa2 import neighbor_vectors
from deepattn.errors import ConfigError, DataError
from deepattn.export import freeze, save_model, saved_model
from deepattn.export.saved_model import make_module

PARAMETERS = {"numb_fparam": 2, "numb_aparam": 1}
# Of "crowded" not all neighbors have a slot. "in blocks" takes some atoms at a time.
KINDS = {
    "in blocks": (dpa2(repformer={"nlayers": 2, "update_h2": True}), PARAMETERS),
    "dpa2": (dpa2(repformer={"nlayers": 1}), PARAMETERS),
    "crowded": ({"type": "se_atten_v2", "sel": 6}, PARAMETERS),
}
UPPER = ["energy", "energy_derv_c_redu", "energy_derv_r", "energy_redu", "mask"]
ALL = ["energy", "energy_derv_c", *UPPER[1:]]


@pytest.fixture(scope="module", params=list(KINDS))
def exported(request):
    """A model and its functions."""
    model = small_model(*KINDS[request.param])
    section = model_section(*KINDS[request.param])
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "in blocks":
            patch.setattr(saved_model, "_MOST_WHOLE", 0)
            patch.setattr(neighbor_vectors, "_SLOTS_AT_ONCE", 40)
        yield model, make_module(model, training_script={"model": section}, min_nbor_dist=0.5)


def batch(model, **kwargs):
    """Inputs, with the parameters that the model wants."""
    inputs, _ = small_batch(**kwargs)
    rng = np.random.default_rng(4)
    nframes, natoms = inputs["atype"].shape
    fitting = model.fitting
    inputs["fparam"] = rng.normal(size=(nframes, fitting.numb_fparam))
    inputs["aparam"] = rng.normal(size=(nframes, natoms, fitting.numb_aparam))
    return inputs


def reference(model, inputs):
    """Predictions of the model, by the names of the function's results."""
    given = {name: value for name, value in inputs.items() if np.size(value)}
    outputs = {name: np.asarray(value) for name, value in model(given).items()}
    return {
        "energy": outputs["atom_energy"][..., None],
        "energy_derv_c": outputs["atom_virial"][:, :, None],
        "energy_derv_c_redu": outputs["virial"][:, None],
        "energy_derv_r": outputs["force"][:, :, None],
        "energy_redu": outputs["energy"][:, None],
        "mask": (inputs["atype"] >= 0).astype(np.int32),
    }


def assert_equal(found, expected, names, *, atol=1e-12):
    assert sorted(found) == names
    for name in names:
        assert found[name].dtype == (tf.int32 if name == "mask" else tf.float64)
        np.testing.assert_allclose(
            found[name], expected[name], rtol=0, atol=atol, err_msg=name, strict=True
        )


def listed(inputs, *, rcut, columns):
    """One frame as LAMMPS has it: ghosts behind the atoms, and neighbors in no order, gaps in it.

    Returns the arguments of the function, and which atoms all are.
    """
    coord, box = inputs["coord"][0], inputs["box"][0].reshape(3, 3)
    natoms = len(coord)
    shifts = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    shifts = shifts[np.argsort(np.abs(shifts).sum(axis=1), kind="stable")]
    everything = (coord[None] + (shifts @ box)[:, None]).reshape(-1, 3)
    owner = np.tile(np.arange(natoms), len(shifts))
    rng = np.random.default_rng(1)
    nlist = np.full((natoms, columns), -1)
    for i, row in enumerate(nlist):
        distance = np.linalg.norm(everything - coord[i], axis=1)
        [near] = np.nonzero((distance < rcut) & (np.arange(len(everything)) != i))
        row[rng.choice(columns, len(near), replace=False)] = near
    frame = (everything, inputs["atype"][0, owner].astype(np.int32), nlist, owner)
    return tuple(array[None] for array in frame), owner


def test_lists_of_a_caller(exported):
    """Within the cutoff and a skin; sums of all images are the results of a periodic frame."""
    model, module = exported
    inputs = batch(model, nframes=1, natoms=8)
    expected = reference(model, inputs)
    assert np.ptp(expected["energy_derv_r"]) > 1e-4
    frame, owner = listed(inputs, rcut=3.9, columns=80)
    arguments = (*frame, inputs["fparam"], inputs["aparam"])
    found = module.call_lower_atomic_virial(*map(tf.constant, arguments))
    folded = dict(found)
    for name in ("energy_derv_c", "energy_derv_r"):
        assert found[name].shape[1] == len(owner)
        folded[name] = tf.math.unsorted_segment_sum(found[name][0], owner, 8)[tf.newaxis]
    assert_equal(folded, expected, ALL)
    plain = module.call_lower(*map(tf.constant, arguments))
    assert_equal({**plain, "energy_derv_c": found["energy_derv_c"]}, found, ALL)
    assert plain["energy_derv_c"].shape == found["energy_derv_c"].shape
    if model.descriptor.passes_messages:
        arguments = (*frame[:3], np.full_like(frame[3], -1), *arguments[4:])
        # Which of the checks speaks first is open.
        with pytest.raises(tf.errors.InvalidArgumentError):
            module.call_lower(*map(tf.constant, arguments))


def test_without_a_list(exported):
    """Periodic frames, one of them with a virtual atom, and one without a cell."""
    model, module = exported
    inputs = batch(model, nframes=2, natoms=8)
    inputs["atype"][1, 3] = -1
    rest = (inputs["fparam"], inputs["aparam"])
    periodic = (inputs["coord"], inputs["atype"], inputs["box"].reshape(-1, 3, 3), *rest)
    found = module.call_atomic_virial(*map(tf.constant, periodic))
    assert_equal(found, reference(model, inputs), ALL)
    inputs["box"] = np.zeros((2, 9))
    alone = (inputs["coord"], inputs["atype"], np.zeros((2, 0, 0)), *rest)
    assert_equal(module.call(*map(tf.constant, alone)), reference(model, inputs), UPPER)


def test_lists_without_columns(exported):
    """Atoms out of reach of each other, in two frames; their owners are not known."""
    model, module = exported
    inputs = batch(model, nframes=2, natoms=4)
    inputs["coord"] *= 9.0
    inputs["box"] = np.zeros((2, 9))
    nlist, mapping = np.zeros((2, 4, 0), np.int64), np.full((2, 4), -1)
    arguments = (inputs["coord"], inputs["atype"], nlist, mapping)
    arguments = (*arguments, inputs["fparam"], inputs["aparam"])
    found = module.call_lower_atomic_virial(*map(tf.constant, arguments))
    assert_equal(found, reference(model, inputs), ALL)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model with networks in single precision, and its SavedModel."""
    section = ({"type": "se_e2_a", "precision": "float32"}, {"precision": "float32"})
    model = small_model(*section)
    path = tmp_path_factory.mktemp("saved") / "model.savedmodeltf"
    script = {"model": model_section(*section)}
    return model, save_model(model, path, training_script=script, min_nbor_dist=0.5)


def test_what_cpp_looks_for(saved):
    """One function of each name; no variables; weights once; operations of TensorFlow alone."""
    model, folder = saved
    content = (folder / "saved_model.pb").read_bytes()
    [graph] = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    functions = graph.graph_def.library.function
    names = Counter(re.sub(r"[\d_]+$", "", f.signature.name) for f in functions)
    wanted = [f"call{k}_{w}_atomic_virial" for k in ("", "_lower") for w in ("with", "without")]
    wanted += ["get_rcut", "get_dim_fparam", "get_dim_aparam", "get_type_map", "get_sel"]
    for name in (*wanted, "has_message_passing"):
        assert names[f"__inference_{name}"] == 1
    for f in functions:
        if "_atomic_virial" in f.signature.name and "inference" in f.signature.name:
            assert len(f.signature.input_arg) == (6 if "lower" in f.signature.name else 5)
    operations = {node.op for f in functions for node in f.node_def}
    foreign = ("Variable", "Deepattn", "ProdEnvMat", "ProdForce", "ProdVirial", "Py", "Xla")
    assert not [op for op in operations if any(word in op for word in foreign)]
    assert content.count(model.get_arrays()["layer_1_type_0/matrix"].tobytes()) == 1


def test_a_program_that_loads_it(saved):
    model, folder = saved
    module = tf.saved_model.load(str(folder))
    values = {
        "get_rcut": 3.0,
        "get_dim_fparam": 0,
        "get_dim_aparam": 0,
        "get_type_map": [name.encode() for name in TYPE_MAP],
        "get_sel": [4, 6],
        "get_sel_type": [],
        "has_message_passing": False,
        "is_aparam_nall": False,
        "mixed_types": False,
        "model_output_type": [b"energy", b"mask"],
        "get_min_nbor_dist": 0.5,
    }
    for name, value in values.items():
        assert getattr(module, name)().numpy().tolist() == value, name
    assert json.loads(module.get_model_def_script().numpy())["type_map"] == TYPE_MAP
    inputs = batch(model, nframes=1, natoms=8)
    arguments = [inputs[name] for name in ("coord", "atype", "box", "fparam", "aparam")]
    arguments[2] = arguments[2].reshape(-1, 3, 3)
    found = module.call_atomic_virial(*map(tf.constant, arguments))
    assert_equal(found, reference(model, inputs), ALL, atol=1e-6)


def test_the_folder_is_replaced_whole(tmp_path, monkeypatch):
    """And nothing else of its name is."""
    model, path = small_model(), tmp_path / "model.savedmodeltf"
    path.mkdir()
    (path / "notes").touch()
    with pytest.raises(DataError, match=r"saved_model\.pb"):
        save_model(model, path, training_script={"model": {}})
    (path / "saved_model.pb").touch()

    def fail(module, folder, **_):
        (tmp_path / folder / "saved_model.pb").write_text("half")
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, "save", fail)
        with pytest.raises(OSError, match="full"):
            save_model(model, path, training_script={"model": {}})
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert (path / "notes").exists()
    with monkeypatch.context() as patch:
        patch.setattr(
            tf.saved_model, "save", lambda _, f, **__: (tmp_path / f / "saved_model.pb").touch()
        )
        patch.setattr(saved_model, "_try", lambda *_: None)
        save_model(model, path, training_script={"model": {}})
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert not (path / "notes").exists()


@pytest.fixture
def small_disk():
    """No file can grow beyond 3000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_is_the_system_s_error(tmp_path, small_disk):
    """TensorFlow's own error has a temporary path in it, and no place on the command line."""
    path = tmp_path / "model.savedmodeltf"
    with pytest.raises(OSError, match="File too large") as caught:
        save_model(small_model(), path, training_script={"model": model_section()})
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert not list(tmp_path.iterdir())


def test_a_graph_that_cannot_be_made_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"write a \.savedmodeltf"):
        freeze(small_model(dpa2()), tmp_path / "model.pb", training_script={})
