"""PyTorch's pickles are read as data: known instructions and calls make values, others an error."""

import pickle
import struct
import time

import numpy as np
import pytest

from deepattn.formats.torch.pickle import read_pickle
from deepattn.formats.torch.values import Node, PickleError, Tensor

FLOATS = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + b"0X\x03\0\0\0cpuK\x06tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def tensor(offset: int, shape: bytes, strides: bytes) -> bytes:
    """A call that makes a tensor of the six numbers of storage 0."""
    hooks = b"ccollections\nOrderedDict\n)R"
    start = b"J" + struct.pack("<i", offset)
    return b"\x80\x02" + REBUILD + FLOATS + start + shape + strides + b"\x89" + hooks + b"tR."


def content(key: str) -> memoryview:
    assert key == "0"
    return memoryview(np.arange(6, dtype="<f4").tobytes())


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -2, 3.5, None, True, False], "b": {"c": "text", "d": (1, 2, 3, 4)}},
        {
            "big": 1 << 62,
            "negative": -(1 << 40),
            "none": [],
            "nested": [[[]]],
            "ten": list(range(9)),
        },
        {"long": "ä" * 300, 3: "number", "empty": {}},
    ],
)
def test_plain_values(protocol, value):
    assert read_pickle(pickle.dumps(value, protocol)) == value


def test_bytes_of_old_pickles():
    assert read_pickle(pickle.dumps({"bytes": b"\x00\xff"}, 2)) == {"bytes": b"\x00\xff"}
    assert read_pickle(pickle.dumps({"bytes": b"\x00\xff"}, 3)) == {"bytes": b"\x00\xff"}


@pytest.mark.parametrize("kind", ["float64", "float32", "int64"])
def test_numbers_of_numpy(kind):
    """Learning rates and steps in files from before September 2024."""
    number = np.dtype(kind).type(3)
    assert read_pickle(pickle.dumps({"lr": number}, 2)) == {"lr": 3}


def test_ordered_mappings_lose_their_attributes():
    from collections import OrderedDict

    state = OrderedDict(a=1, b=2)
    state._metadata = {"": {"version": 1}}
    assert read_pickle(pickle.dumps(state, 2)) == {"a": 1, "b": 2}


def test_a_tensor_is_a_view():
    value = read_pickle(tensor(1, b"K\x02K\x02\x86", b"K\x02K\x01\x86"))
    assert isinstance(value, Tensor)
    np.testing.assert_array_equal(value.array(content), [[1, 2], [3, 4]])
    assert not value.array(content).flags.writeable


def test_transposed_and_empty_tensors():
    value = read_pickle(tensor(0, b"K\x03K\x02\x86", b"K\x01K\x03\x86"))
    np.testing.assert_array_equal(value.array(content), [[0, 3], [1, 4], [2, 5]])
    assert read_pickle(tensor(0, b"K\x00\x85", b"K\x01\x85")).array(content).shape == (0,)


def test_bfloat16_becomes_float32():
    given = np.array([1.0, -2.5, 0.15625], "<f4")
    halves = (given.view("<u4") >> 16).astype("<u2")
    value = read_pickle(
        tensor(0, b"K\x03\x85", b"K\x01\x85").replace(b"FloatStorage", b"BFloat16Storage")
    )
    result = value.array(lambda key: memoryview(halves.tobytes()))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, given)


def test_objects_of_torchscript_are_inert():
    value = read_pickle(b"\x80\x02c__torch__.deepmd.Model\nModel\n)\x81}X\x01\0\0\0aK\x01sb.")
    assert isinstance(value, Node) and value.state == {"a": 1}


class Call:
    """Pickles as a call."""

    def __init__(self, callee, *arguments):
        self.callee, self.arguments = callee, arguments

    def __reduce__(self):
        return self.callee, self.arguments


def _malicious():
    import os
    import subprocess

    for callee, argument in (
        (os.system, "touch broken"),
        (eval, "1"),
        (exec, "1"),
        (getattr, "a"),
        (__import__, "os"),
        (open, "broken"),
        (subprocess.Popen, "touch broken"),
        (bytearray, 1 << 40),
    ):
        for protocol in (2, 4):
            yield f"{callee.__name__}-{protocol}", pickle.dumps(Call(callee, argument), protocol)
    yield "no_name", b"\x80\x02X\x01\0\0\0aK\x01\x85R."
    yield "object", b"\x80\x02cos\npath\n)\x81."
    yield "attributes", b"\x80\x02cos\npath\n}X\x01\0\0\0aK\x01sb."
    yield "global_alone", b"\x80\x02K\x01cos\nsystem\n}b."
    yield "instance", b"\x80\x02(ios\nsystem\n."
    yield "extension", b"\x80\x02\x82\x01."
    yield "buffer", b"\x80\x05\x97."
    yield "text_number", b"I" + b"9" * 100_000 + b"\n."
    yield "long_number", b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"."
    yield "giant_text", b"\x80\x02X" + struct.pack("<I", (1 << 32) - 1) + b"a."
    yield "giant_bytes", b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"."
    yield "storage", b"\x80\x02" + FLOATS[1:].replace(b"FloatStorage", b"QInt8Storage") + b"."
    yield "no_storage", b"\x80\x02X\x01\0\0\0aQ."
    yield "no_stop", b"\x80\x02}"
    yield "no_value", b"\x80\x02."
    yield "two_values", b"\x80\x02NN."
    yield "memo", b"\x80\x02h\x07."
    yield "below_the_mark", b"\x80\x02K\x01(0."
    yield "append_to_text", b"\x80\x02X\x01\0\0\0aK\x01a."
    yield "key", b"\x80\x02})N s."


@pytest.mark.parametrize("content", [pytest.param(text, id=name) for name, text in _malicious()])
def test_malicious_pickles_are_refused(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PickleError, match=r"pickle|it has"):
        read_pickle(content)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "shape, strides, offset",
    [
        (b"K\x07\x85", b"K\x01\x85", 0),
        (b"K\x06\x85", b"K\x01\x85", 1),
        (b"J\xff\xff\xff\x7f\x85", b"K\x01\x85", 0),
    ],
)
def test_a_tensor_beyond_its_storage(shape, strides, offset):
    with pytest.raises(PickleError, match="beyond"):
        read_pickle(tensor(offset, shape, strides)).array(content)


@pytest.mark.parametrize(
    "shape, strides, offset",
    [
        (b"J\xff\xff\xff\xff\x85", b"K\x01\x85", 0),
        (b"K\x02\x85", b"K\x01\x85", -1),
        (b"K\x02\x85", b"K\x01K\x01\x86", 0),
        (b"X\x01\0\0\0a\x85", b"K\x01\x85", 0),
    ],
)
def test_a_tensor_of_no_shape(shape, strides, offset):
    with pytest.raises(PickleError, match="tensor"):
        read_pickle(tensor(offset, shape, strides))


def test_repeated_parts_take_no_time():
    """A hundred levels of pairs of the level below: 2^100 parts, and a key of them."""
    doubled = b"".join(b"q\x00h\x00\x86" for _ in range(100))
    start = time.process_time()
    read_pickle(b"\x80\x02)" + doubled + b".")
    with pytest.raises(PickleError, match="key"):
        read_pickle(b"\x80\x02})" + doubled + b"Ns.")
    assert time.process_time() - start < 1


def test_damaged_pickles():
    """Every byte of a pickle cut off or changed: a value or one sentence."""
    whole = tensor(1, b"K\x02K\x02\x86", b"K\x02K\x01\x86")
    rng = np.random.default_rng(0)
    for place in range(len(whole)):
        with pytest.raises(PickleError):
            read_pickle(whole[:place])
        for byte in rng.integers(0, 256, 20):
            changed = bytearray(whole)
            changed[place] = byte
            try:
                value = read_pickle(changed)
                if isinstance(value, Tensor):
                    value.array(content)
            except PickleError:
                pass
            except AssertionError:
                assert value.storage.key != "0"
