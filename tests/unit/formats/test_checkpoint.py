import os
import time
from contextlib import suppress

import h5py
import numpy as np
import pytest
from damage import damage_heap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepattn.errors import ModelFileError
from deepattn.formats import checkpoint
from deepattn.formats.checkpoint import (
    FORMAT,
    checkpoints_of,
    go_back_to,
    listed_after,
    read_checkpoint,
    resolve_checkpoint,
    write_checkpoint,
)

ARRAYS = {
    "weights/filter_type_all/matrix_1": np.arange(6.0).reshape(2, 3),
    "weights/descrpt_attr/t_avg": np.zeros((2, 0), np.float32),
    "optimizer/iteration": np.int64(7),
}
HEADER = {
    "step": 7,
    "lr": 0.1 + 0.2,
    "config": {"model": {"type_map": ["O", "Å"]}},
    "interface_dtype": "float64",
}


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model.ckpt")


def test_round_trip_is_exact(prefix):
    path = write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5)
    assert path.name == "model.ckpt-7.h5"
    arrays, header = read_checkpoint(path)
    assert header == HEADER
    assert arrays.keys() == ARRAYS.keys()
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_same_content_same_bytes(prefix):
    first = write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5).read_bytes()
    time.sleep(1.1)  # HDF5 counts time in seconds
    assert write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5).read_bytes() == first


def test_any_hdf5_tool_reads_it(prefix):
    path = write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5)
    with h5py.File(path, "r") as file:
        assert file["weights/filter_type_all/matrix_1"].shape == (2, 3)


@pytest.mark.parametrize("given_name", ["model.ckpt-9.h5", "model.ckpt-9", "model.ckpt", "."])
def test_every_way_to_name_it(tmp_path, prefix, given_name):
    for step in (7, 9):
        write_checkpoint(prefix, step, ARRAYS, HEADER | {"step": step}, keep=5)
    assert read_checkpoint(tmp_path / given_name)[1]["step"] == 9
    assert resolve_checkpoint(tmp_path / "model.ckpt-7").name == "model.ckpt-7.h5"


def test_the_text_file_is_tensorflows(tmp_path, prefix):
    write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5)
    write_checkpoint(prefix, 9, ARRAYS, HEADER, keep=5)
    assert (tmp_path / "checkpoint").read_text() == (
        'model_checkpoint_path: "model.ckpt-9"\n'
        'all_model_checkpoint_paths: "model.ckpt-7"\n'
        'all_model_checkpoint_paths: "model.ckpt-9"\n'
    )


def test_keep(tmp_path, prefix):
    other = str(tmp_path / "other")
    write_checkpoint(other, 1, ARRAYS, HEADER, keep=1)
    # A second run in the folder begins again with small steps; its files are the newest.
    for step in (10, 20, 30, 5, 6):
        write_checkpoint(prefix, step, ARRAYS, HEADER, keep=2)
    names = {x for x in os.listdir(tmp_path) if x.startswith("model")}
    assert names == {"model.ckpt.h5", "model.ckpt-5.h5", "model.ckpt-6.h5"}
    assert (tmp_path / "other-1.h5").exists()


class Killed(BaseException):
    """In the place of a signal that nothing can catch."""


@pytest.mark.parametrize("first", [1, 4], ids=["later", "first"])
@pytest.mark.parametrize("keep", [1, 2])
def test_what_a_killed_writer_leaves_is_known_to_the_next(tmp_path, keep, first, monkeypatch):
    """Stopped before each of its actions, also twice: no file stays that is one too many."""
    for point in range(12):
        folder = tmp_path / str(point)
        folder.mkdir()
        prefix, left = folder / "model.ckpt", point
        for step in range(first, 4):
            write_checkpoint(prefix, step, ARRAYS, HEADER | {"step": step}, keep=keep)

        def counted(action):
            def call(*args, **kwargs):
                nonlocal left
                if left == 0:
                    raise Killed
                left -= 1
                return action(*args, **kwargs)

            return call

        for step in (4, 5):
            with monkeypatch.context() as patch:
                for name in ("write_arrays", "replace_link", "_write_list"):
                    patch.setattr(checkpoint, name, counted(getattr(checkpoint, name)))
                patch.setattr(checkpoint.Path, "unlink", counted(checkpoint.Path.unlink))
                with suppress(Killed):
                    write_checkpoint(prefix, step, ARRAYS, HEADER | {"step": step}, keep=keep)
            if (folder / "model.ckpt.h5").exists():
                for name in (folder, prefix):
                    assert read_checkpoint(name)[1]["step"] in (step - 2, step - 1, step)
            left = point
        write_checkpoint(prefix, 6, ARRAYS, HEADER | {"step": 6}, keep=keep)
        files = {path.name for path in folder.glob("model.ckpt-*.h5")}
        assert len(files) <= keep and "model.ckpt-6.h5" in files


@pytest.mark.parametrize("keep", [1, 2])
def test_going_back_removes_what_came_after(tmp_path, prefix, keep):
    for step in (1, 2, 3):
        write_checkpoint(prefix, step, ARRAYS, HEADER | {"step": step}, keep=0)
    assert [path.name for path in listed_after(prefix, tmp_path / "model.ckpt-1.h5")] == [
        "model.ckpt-2.h5",
        "model.ckpt-3.h5",
    ]
    (tmp_path / "model.ckpt-best.h5").touch()
    go_back_to(prefix, tmp_path / "model.ckpt-2.h5", keep=keep)
    kept = [f"model.ckpt-{step}.h5" for step in (1, 2)][-keep:]
    assert [path.name for path in checkpoints_of(prefix)] == kept
    for name in (tmp_path, prefix):
        assert read_checkpoint(name)[1]["step"] == 2
    assert (tmp_path / "model.ckpt-best.h5").exists()


def test_keep_zero_keeps_all(tmp_path, prefix):
    for step in range(4):
        write_checkpoint(prefix, step, ARRAYS, HEADER, keep=0)
    assert len(list(tmp_path.glob("model.ckpt-*.h5"))) == 4


def test_an_unreadable_list_is_replaced(tmp_path, prefix):
    (tmp_path / "checkpoint").write_bytes(b"\xff{{{")
    write_checkpoint(prefix, 1, ARRAYS, HEADER, keep=2)
    assert resolve_checkpoint(tmp_path).name == "model.ckpt-1.h5"


def test_what_is_missing(tmp_path):
    with pytest.raises(ModelFileError, match=r"model.ckpt: no such checkpoint"):
        read_checkpoint(tmp_path / "model.ckpt")
    with pytest.raises(ModelFileError, match="has no file 'checkpoint'"):
        read_checkpoint(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "gone-3"\n')
    with pytest.raises(ModelFileError, match=r"gone-3: no such checkpoint"):
        read_checkpoint(tmp_path)
    (tmp_path / "checkpoint").write_text("just words")
    with pytest.raises(ModelFileError, match="checkpoint: cannot be read"):
        read_checkpoint(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "."\n')
    with pytest.raises(ModelFileError, match="names a folder"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("given_name", ["model.ckpt-3", "model.ckpt-3.index", "model.ckpt-3.meta"])
def test_a_checkpoint_of_deepmd(tmp_path, given_name):
    for ending in (".index", ".meta", ".data-00000-of-00001"):
        (tmp_path / f"model.ckpt-3{ending}").write_bytes(b"x")
    with pytest.raises(ModelFileError, match="TensorFlow checkpoint of DeePMD-kit; freeze it"):
        read_checkpoint(tmp_path / given_name)


def test_not_ours(tmp_path):
    with h5py.File(tmp_path / "keras.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(ModelFileError, match="HDF5 file, but not a deepattn checkpoint"):
        read_checkpoint(tmp_path / "keras.h5")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ModelFileError, match="text: is not a deepattn checkpoint"):
        read_checkpoint(tmp_path / "text")


def test_a_newer_format(prefix):
    path = write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5)
    path.write_bytes(path.read_bytes().replace(b"checkpoint 1\n", b"checkpoint 2\n", 1))
    with pytest.raises(ModelFileError, match="version 2; this version of deepattn reads version 1"):
        read_checkpoint(path)


def test_no_file_can_make_it_read_another(tmp_path, prefix, monkeypatch):
    layout = h5py.VirtualLayout((2,), "f8")
    layout[:] = h5py.VirtualSource("secret.h5", "x", shape=(2,))
    real = h5py.File.__setitem__

    def add_virtual(file, name, value):
        real(file, name, value)
        if name == "header":
            file.create_virtual_dataset("weights/v", layout)

    monkeypatch.setattr(h5py.File, "__setitem__", add_virtual)
    path = write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5)
    with pytest.raises(ModelFileError, match="weights/v points to another file"):
        read_checkpoint(path)


def test_every_bit_of_the_first_lines_counts(prefix):
    path = write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5)
    content = path.read_bytes()
    for place in range(128):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(ModelFileError):
                read_checkpoint(path)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_is_always_noticed(prefix, data):
    path = write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        read_checkpoint(path)


def test_larger_inside_than_on_the_disk(prefix, monkeypatch):
    real = h5py.File.__setitem__

    def add_zeros(file, name, value):
        real(file, name, value)
        if name == "header":
            file.create_dataset("weights/z", shape=(1 << 29,), dtype="f8", compression="gzip")

    monkeypatch.setattr(h5py.File, "__setitem__", add_zeros)
    path = write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5)
    with pytest.raises(ModelFileError, match="weights/z and the arrays before it are larger than"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": None}, "its header has no config"),
        ({"config": {"model": []}}, "its header has no config"),
        ({"interface_dtype": "int8"}, "has no valid interface_dtype"),
        ({"min_nbor_dist": "0.9"}, "invalid min_nbor_dist"),
        ({"min_nbor_dist": float("nan")}, "invalid min_nbor_dist"),
        ({"step": -1}, "invalid step"),
        ({"step": True}, "invalid step"),
    ],
)
def test_headers_without_what_all_need(prefix, change, words):
    path = write_checkpoint(prefix, 7, ARRAYS, HEADER | change, keep=5)
    with pytest.raises(ModelFileError, match=words):
        read_checkpoint(path)


def test_a_damaged_heap_of_strings(prefix):
    path = write_checkpoint(prefix, 7, ARRAYS, HEADER, keep=5)
    damage_heap(path)
    content = bytearray(path.read_bytes())
    content[:512] = FORMAT.first_block(memoryview(content)[512:])
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="a heap of strings in it is damaged"):
        read_checkpoint(path)
