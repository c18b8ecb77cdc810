"""Model files: told apart by content, read once, and every kind with every operation."""

import json
import shutil
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf
from small_models import model_section, small_batch, small_model
from torch_archives import freeze_checkpoint

from deepattn.cli.main import main
from deepattn.config import normalize_model
from deepattn.errors import ModelFileError
from deepattn.export import convert, freeze
from deepattn.formats.checkpoint import write_checkpoint
from deepattn.formats.messages import FunctionDef, SavedModelMessage
from deepattn.infer import DeepPot
from deepattn.models import MODEL_FILES, ModelFile, find_model, load_model, open_model_file
from deepattn.train import change_bias
from deepattn.train.initialize.finetune import predict_energies
from deepattn.train.pretrained import Pretrained
from deepattn.train.weight_source import from_checkpoint, from_frozen

# Keras writes and reads its file in a way of which NumPy 2 warns.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

KINDS = {
    "model.pb": "frozen",
    "model.ckpt.h5": "checkpoint",
    "model.dp": "dpmodel",
    "model.yaml": "dpmodel",
    "model.pt": "torch",
    "model.pth": "torch",
    "model.savedmodeltf": "saved_model",
    "model.keras": "keras",
}
# From these a model can be rebuilt and trained.
REBUILT = ("model.pb", "model.ckpt.h5", "model.dp", "model.yaml", "model.pt", "model.pth")
# Written by other programs only.
FOREIGN_KINDS = ("model.pth",)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with one model in every kind of file, and a system."""
    folder = tmp_path_factory.mktemp("files")
    model = small_model(convention="common")
    script = {"model": normalize_model(model_section(convention="common"))}
    freeze(model, folder / "model.pb", training_script=script, min_nbor_dist=1.0)
    weights = {f"weights/{name}": array for name, array in model.get_arrays().items()}
    header = {"config": script, "interface_dtype": "float64", "min_nbor_dist": 1.0, "step": 1}
    write_checkpoint(folder / "model.ckpt", 1, weights, header, keep=1)
    for name in ("model.dp", "model.yaml", "model.pt", "model.savedmodeltf"):
        convert(folder / "model.ckpt.h5", folder / name)
    (folder / "model.pth").write_bytes(freeze_checkpoint((folder / "model.pt").read_bytes()))
    model.save(folder / "model.keras")
    inputs, labels = small_batch()
    sets = folder / "data" / "set.000"
    sets.mkdir(parents=True)
    (folder / "data" / "type.raw").write_text("0 1 1 0 1 1\n")
    (folder / "data" / "type_map.raw").write_text("O H\n")
    arrays = {name: inputs[name] for name in ("coord", "box")}
    arrays |= {name: labels[name] for name in ("energy", "force", "virial")}
    for name, array in arrays.items():
        np.save(sets / f"{name}.npy", array.reshape(2, -1))
    return folder


@contextmanager
def opened_paths():
    """The paths that Python opens in this block, one entry for each time."""
    found = []
    active = True

    def hook(event, arguments):
        if active and event == "open" and isinstance(arguments[0], str | Path):
            found.append(str(Path(arguments[0]).resolve()))

    sys.addaudithook(hook)
    try:
        yield found
    finally:
        active = False


def evaluate(source):
    inputs, _ = small_batch()
    with DeepPot(source) as potential:
        return potential.eval(inputs["coord"], inputs["box"], inputs["atype"], atomic=True)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("other", ["model", "model.pb", "model.h5", "model.dp", "model.txt"])
def test_the_content_tells_the_kind(files, tmp_path, name, other):
    copy = shutil.copytree if (files / name).is_dir() else shutil.copy
    file = open_model_file(copy(files / name, tmp_path / other))
    assert type(file) is MODEL_FILES[KINDS[name]]
    assert file.type_map() == ["O", "H"]


@pytest.mark.parametrize("name", KINDS)
def test_all_kinds_give_the_same(files, name):
    expected = evaluate(files / "model.ckpt.h5")
    for found, wanted in zip(evaluate(files / name), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_rebuilding(files, tmp_path, name):
    operations = {
        "load": lambda path: load_model(path),
        "convert": lambda path: convert(path, tmp_path / "other.dp"),
        "change-bias": lambda path: change_bias(path, tmp_path / "new", energies=[1.0, 2.0]),
        "fine-tune": lambda path: Pretrained(path).single(None),
    }
    for operation, act in operations.items():
        if name in FOREIGN_KINDS and operation == "change-bias":
            with pytest.raises(ModelFileError, match="its energy bias cannot be changed"):
                act(files / name)
            continue
        if name in REBUILT:
            assert act(files / name), operation
            continue
        with pytest.raises(ModelFileError, match=r"model\.\w+: is an? .*; use the checkpoint"):
            act(files / name)


@pytest.mark.parametrize("name", KINDS)
def test_starting_a_training(files, name):
    if name == "model.ckpt.h5":
        assert from_checkpoint(files / name, restart=True).step == 1
        with pytest.raises(ModelFileError, match="is a checkpoint, not a frozen model"):
            from_frozen(files / name)
        return
    reason = "which alone can resume" if name == "model.pt" else "not a checkpoint of a training"
    with pytest.raises(ModelFileError, match=reason):
        from_checkpoint(files / name, restart=True)
    if name == "model.pt":
        assert from_checkpoint(files / name, restart=False).step == 0
    if name in REBUILT:
        assert list(from_frozen(files / name).model.type_map) == ["O", "H"]


@pytest.mark.parametrize("name", KINDS)
def test_changed_bias_stays_in_its_kind(files, tmp_path, name):
    if name not in REBUILT or name in FOREIGN_KINDS:
        return
    target = tmp_path / Path(name).name
    change_bias(files / name, target, energies=[1.5, -2.0])
    changed = open_model_file(target)
    assert type(changed) is MODEL_FILES[KINDS[name]]
    assert changed.energy_bias().tolist() == [1.5, -2.0]
    assert open_model_file(files / name).energy_bias().tolist() != [1.5, -2.0]


@pytest.mark.parametrize("name", KINDS)
def test_descriptor_and_type_embedding(files, name):
    inputs, _ = small_batch()
    with DeepPot(files / name) as potential:
        if name == "model.savedmodeltf":
            with pytest.raises(ModelFileError, match="does not give descriptors"):
                potential.eval_descriptor(inputs["coord"], inputs["box"], inputs["atype"])
            with pytest.raises(ModelFileError, match="does not give the type embedding"):
                potential.eval_typeebd()
            return
        assert potential.eval_typeebd().shape[0] == 3
        found = potential.eval_descriptor(inputs["coord"], inputs["box"], inputs["atype"])
        assert found.shape[:2] == (2, 6)


@pytest.mark.parametrize("name", ["model.pb", "model.savedmodeltf"])
def test_neighbors_from_ase_and_open_boundaries(files, name):
    from ase.neighborlist import NewPrimitiveNeighborList

    inputs, _ = small_batch(nframes=1)
    natoms = inputs["atype"].shape[1]
    for cells in (inputs["box"], None):
        lists = NewPrimitiveNeighborList([1.5] * natoms, skin=0.3)
        with DeepPot(files / name, neighbor_list=lists) as first, DeepPot(files / name) as second:
            for found, wanted in zip(
                first.eval(inputs["coord"], cells, inputs["atype"][0], atomic=True),
                second.eval(inputs["coord"], cells, inputs["atype"][0], atomic=True),
                strict=True,
            ):
                np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_cut_short(files, tmp_path, name, share):
    path = tmp_path / "model"
    if (files / name).is_dir():
        shutil.copytree(files / name, path)
        cut = path / "saved_model.pb"
    else:
        shutil.copy(files / name, path)
        cut = path
    content = cut.read_bytes()
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError) as caught:
        open_model_file(path).stored()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


FOREIGN = {
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "noise": bytes(np.random.default_rng(0).integers(0, 256, 5000, np.uint8)),
    "zeros": bytes(5000),
    "a letter": b"Dear model,\n\nhow are you?\n",
    "a list": b"- 1\n- 2\n",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("name", ["model.pb", "model.dp", "model.yaml", "model.h5", "model.keras"])
def test_foreign_content(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"is not a|contains no model") as caught:
        open_model_file(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_other_archives_and_hdf5_files(tmp_path):
    with h5py.File(tmp_path / "weights.dp", "w") as file:
        file["layer"] = np.ones(3)
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps({"registered_name": None, "config": {}}))
        archive.writestr("model.weights.h5", (tmp_path / "weights.dp").read_bytes())
    with zipfile.ZipFile(tmp_path / "model.pth", "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02.")
    with pytest.raises(ModelFileError, match="well-formed model file"):
        open_model_file(tmp_path / "weights.dp")
    with pytest.raises(ModelFileError, match="a model of Keras, but not one of deepattn"):
        open_model_file(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match="its pickle is damaged"):
        open_model_file(tmp_path / "model.pth")


def test_a_class_that_is_not_known_is_not_imported(files, tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(files / "model.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["fitting"] |= {
        "registered_name": None,
        "module": "os",
        "class_name": "system",
        "config": "true",
    }
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ModelFileError, match="refused: it is made of the class system"):
        DeepPot(path)


def test_a_graph_of_a_kind_that_is_not_known(files, tmp_path):
    graph = tf.compat.v1.GraphDef.FromString((files / "model.pb").read_bytes())
    [kind] = [node for node in graph.node if node.name == "model_attr/model_type"]
    kind.attr["value"].tensor.string_val[:] = [b"wfc"]
    path = tmp_path / "model.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFileError, match=r"model.pb: it is a model of type 'wfc'; supported"):
        DeepPot(path)


def test_operations_of_a_saved_model_are_checked(files, tmp_path):
    path = shutil.copytree(files / "model.savedmodeltf", tmp_path / "model.savedmodeltf")
    message = SavedModelMessage()
    message.ParseFromString((path / "saved_model.pb").read_bytes())
    library = message.meta_graphs[0].graph_def.library
    functions = []
    for content in library.function:
        function = FunctionDef()
        function.ParseFromString(content)
        if "call_with_atomic_virial" in function.signature.name:
            function.node_def.add(name="spy", op="ReadFile")
        functions.append(function.SerializeToString())
    del library.function[:]
    library.function.extend(functions)
    (path / "saved_model.pb").write_bytes(message.SerializeToString())
    with pytest.raises(ModelFileError, match="refused: node 'spy' is the operation 'ReadFile'"):
        open_model_file(path)


def test_names(files, tmp_path):
    assert find_model(files / "model").name == "model.pb"
    assert find_model(files / "model.ckpt").name == "model.ckpt.h5"
    assert find_model(files).name == "model.ckpt-1.h5"
    assert find_model(files / "model.savedmodeltf") == files / "model.savedmodeltf"
    for absent in ("absent.pb", "absent.dp", "absent.savedmodeltf", "absent.keras"):
        with pytest.raises(ModelFileError, match=r"absent\.\w+: there is no such file"):
            find_model(tmp_path / absent)
    with pytest.raises(ModelFileError, match="no such checkpoint"):
        find_model(tmp_path / "absent")


def test_a_kind_from_outside(files, tmp_path):
    class Pickled(ModelFile):
        kind = "a file of another package"
        suffixes = (".other",)

        @classmethod
        def recognizes(cls, path, start):
            return start.startswith(b"\x00other")

        def _stored(self):
            content = self._content.removeprefix(b"\x00other")
            return MODEL_FILES["checkpoint"](self.path, content).stored()

    path = tmp_path / "model.other"
    path.write_bytes(b"\x00other" + (files / "model.ckpt.h5").read_bytes())
    MODEL_FILES.register("other")(Pickled)
    try:
        assert open_model_file(path).type_map() == ["O", "H"]
        np.testing.assert_array_equal(evaluate(path)[0], evaluate(files / "model.ckpt.h5")[0])
        convert(path, tmp_path / "model.dp")
    finally:
        del MODEL_FILES._classes["other"]


COMMANDS = {
    "show": ["show", "{}"],
    "convert-backend": ["convert-backend", "{}", "out.dp"],
    "freeze": ["freeze", "-c", "{}", "-o", "out.pb"],
    "test": ["test", "-m", "{}", "-s", "data", "--html", "out.html", "--json", "out.json"],
    "change-bias": ["change-bias", "{}", "-s", "data", "-o", "changed"],
    "model-devi": ["model-devi", "-m", "{}", "-s", "data", "-o", "out.devi"],
    "eval-desc": ["eval-desc", "-m", "{}", "-s", "data", "-o", "out"],
    "check-model": ["check-model", "{}", "-s", "data"],
}


@pytest.mark.parametrize("name", ["model.pb", "model.ckpt.h5", "model.dp", "model.yaml"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_is_read_once(files, tmp_path, monkeypatch, capsys, command, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(files / "data")
    path = shutil.copy((files / name).resolve(), tmp_path / name)
    with opened_paths() as found:
        status = main([word.format(path) for word in COMMANDS[command]])
    # Plain attention jumps at the cutoff, as the check says.
    assert status == (command == "check-model")
    assert found.count(str(Path(path).resolve())) == 1


def test_compress_and_reading_without_ops_read_once(tmp_path, monkeypatch, capsys):
    options = {"attn_layer": 0, "tebd_input_mode": "strip"}
    script = {"model": normalize_model(model_section(options))}
    path = freeze(
        small_model(options), tmp_path / "model.pb", training_script=script, min_nbor_dist=1.0
    )
    with opened_paths() as found:
        assert main(["compress", "-i", str(path), "-o", str(tmp_path / "small.pb")]) == 0
    assert found.count(str(path)) == 1
    monkeypatch.setattr("deepattn.infer.opening.has_ops", lambda frozen: False)
    with opened_paths() as found:
        evaluate(path)
    assert found.count(str(path)) == 1


@pytest.mark.parametrize("name", REBUILT)
def test_fine_tuning_reads_once(files, name):
    with opened_paths() as found:
        source = Pretrained(files / name).single(None)
        inputs, _ = small_batch()
        predict_energies(DeepPot(source.file), inputs)
    assert found.count(str((files / name).resolve())) == 1


def test_digest(files):
    import hashlib

    content = (files / "model.pb").read_bytes()
    assert open_model_file(files / "model.pb").digest() == hashlib.sha256(content).hexdigest()
