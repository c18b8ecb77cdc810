"""Archives of PyTorch: members are views of the file; what PyTorch does not write is refused."""

import struct
import zipfile

import numpy as np
import pytest

from deepattn.errors import ModelFileError
from deepattn.formats.torch import Archive, TorchFile, encode_torch, is_torch_start

SECTION = {"type_map": ["O", "H"], "descriptor": {"type": "dpa2"}, "fitting_net": {}}


def open_file(path):
    return TorchFile(path.read_bytes(), path)


def write_torch(path, value):
    path.write_bytes(encode_torch(value))


def write_model(path, **others):
    """A checkpoint with one weight."""
    weight = np.arange(6.0).reshape(2, 3)
    extra = {"model_params": SECTION, "train_infos": {"lr": 1e-3, "step": 7}}
    state = {
        "model.Default.atomic_model.out_bias": weight,
        "model.Default.atomic_model.single": weight.astype(np.float32),
        "model.Default.atomic_model.again": weight,
        "model.Default.atomic_model.nothing": np.zeros(0),
        "_extra_state": extra,
    }
    write_torch(path, {"model": state, "optimizer": {"state": {0: [1, 2]}}, **others})
    return weight


def test_what_is_written_is_read(tmp_path):
    weight = write_model(tmp_path / "model.pt")
    file = open_file(tmp_path / "model.pt")
    assert file.branches == () and file.step == 7
    model = file.model()
    assert model.section == SECTION
    np.testing.assert_array_equal(model.array("atomic_model.out_bias"), weight)
    assert model.array("atomic_model.single").dtype == np.float32
    assert model.array("atomic_model.nothing").shape == (0,)


def test_equal_content_gives_equal_files(tmp_path):
    for name in ("a.pt", "b.pt"):
        write_model(tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_an_array_is_stored_once(tmp_path):
    write_model(tmp_path / "model.pt")
    with zipfile.ZipFile(tmp_path / "model.pt") as archive:
        assert sum("/data/" in name for name in archive.namelist()) == 3


def test_recognized_by_content(tmp_path):
    write_model(tmp_path / "model.any")
    assert is_torch_start((tmp_path / "model.any").read_bytes()[:4096])
    # As TorchScript begins a file.
    _archive(tmp_path / "frozen.pth", [("frozen/data/0", b""), ("frozen/data.pkl", b"N.")])
    assert is_torch_start((tmp_path / "frozen.pth").read_bytes())
    # As ``dp freeze`` does.
    first = ("frozen/extra/data_modifier.pth", b"")
    _archive(tmp_path / "frozen.pth", [first, ("frozen/data.pkl", b"N.")])
    assert is_torch_start((tmp_path / "frozen.pth").read_bytes())
    _archive(tmp_path / "other.zip", [("a.txt", b"a")])
    for content in (b"", b"text", b"PK\x03\x04", (tmp_path / "other.zip").read_bytes()):
        assert not is_torch_start(content)


def _archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "members, reason",
    [
        ([("a/other", b"")], "data.pkl"),
        ([("a/data.pkl", b"N."), ("b/data.pkl", b"N.")], "data.pkl"),
        ([("a/data.pkl", b"N."), ("a/byteorder", b"big")], "big-endian"),
    ],
)
def test_archives_of_others(tmp_path, members, reason):
    _archive(tmp_path / "model.pt", members)
    with pytest.raises(ModelFileError, match=reason):
        Archive((tmp_path / "model.pt").read_bytes(), "model.pt")


def test_compressed_pickles_are_refused(tmp_path):
    _archive(tmp_path / "model.pt", [("a/data.pkl", bytes(1 << 20))], zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="uncompressed"):
        Archive((tmp_path / "model.pt").read_bytes(), "model.pt")


def test_overlapping_members_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    _archive(path, [("a/data.pkl", b"N."), ("a/data/0", bytes(64)), ("a/data/1", bytes(64))])
    content = bytearray(path.read_bytes())
    first, second = (content.rindex(name) - 46 for name in (b"a/data/0", b"a/data/1"))
    # The third entry of the directory points to the second member.
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="overlap"):
        Archive(path.read_bytes(), path)


def test_a_member_that_is_not_there(tmp_path):
    path = tmp_path / "model.pt"
    _archive(path, [("a/data.pkl", b"N.")])
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"a/data.pkl") - 46
    content[entry + 42 : entry + 46] = struct.pack("<I", len(content) - 4)
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.pt"):
        Archive(path.read_bytes(), path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x03\x04" + bytes(100)])
def test_no_archives(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.pt"):
        open_file(tmp_path / "model.pt")


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"model": {}},
        {"model": {"_extra_state": {}}},
        {"model": {"_extra_state": {"model_params": 3}}},
    ],
)
def test_no_model_of_deepmd_kit(tmp_path, value):
    write_torch(tmp_path / "model.pt", value)
    with pytest.raises(ModelFileError, match="model_params"):
        open_file(tmp_path / "model.pt")


def test_damaged_files(tmp_path):
    """Bytes changed and ends cut off: a file or one sentence, whatever is damaged."""
    write_model(tmp_path / "model.pt")
    whole = (tmp_path / "model.pt").read_bytes()
    rng = np.random.default_rng(1)
    path = tmp_path / "damaged.pt"
    for _ in range(300):
        changed = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            changed[place] = rng.integers(0, 256)
        path.write_bytes(changed[: rng.integers(1, len(whole))] if rng.random() < 0.3 else changed)
        try:
            model = open_file(path).model()
            for name in model.tensors:
                model.array(name)
        except (ModelFileError, KeyError, ValueError) as error:
            assert str(error)
