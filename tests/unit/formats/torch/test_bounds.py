"""Small files that would take much memory or time are refused at once."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest

from deepattn.errors import ModelFileError
from deepattn.formats.torch import PickleError, TorchFile, encode_torch, read_pickle
from deepattn.formats.torch.values import Storage, Tensor

from .test_archive import SECTION

START = b"\x80\x02"
ORDERED = b"ccollections\nOrderedDict\n"


@contextmanager
def bounded(megabytes: float = 30, seconds: float = 5):
    """A block that takes little memory and time."""
    tracemalloc.start()
    start = time.process_time()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < megabytes * 1e6
    assert time.process_time() - start < seconds


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def archive(pickle: bytes, *others: tuple[str, bytes]) -> bytes:
    from io import BytesIO

    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as members:
        for name, content in (("data.pkl", pickle), ("data/0", bytes(80_000)), *others):
            members.writestr(f"a/{name}", content)
    return file.getvalue()


def doubled(times: int, join: bytes) -> bytes:
    """The value on the stack, joined with itself again and again."""
    return b"".join(b"q\x00" + join for _ in range(times))


def checkpoint(section: bytes) -> bytes:
    """The pickle of a checkpoint with a section."""
    state = b"}" + text("_extra_state") + b"}" + text("model_params") + section + b"sss"
    return START + b"}" + text("model") + state.removesuffix(b"s") + b"s."


def test_the_frame_of_these_tests():
    pickle = checkpoint(b"}" + text("type_map") + b"]" + text("O") + b"as")
    assert TorchFile(archive(pickle), "x").section() == {"type_map": ["O"]}


PAIR = b"h\x00\x86"


@pytest.mark.parametrize("times", [20, 60])
def test_sections_that_repeat_their_parts(times):
    section = b"}" + text("info") + text("remark" * 9) + doubled(times, PAIR) + b"s"
    with bounded(), pytest.raises(ModelFileError, match="repeat each other without end"):
        TorchFile(archive(checkpoint(section)), "x")


def test_sections_that_hold_themselves():
    section = b"}q\x00" + text("info") + b"h\x00s"
    with pytest.raises(ModelFileError, match="holds itself"):
        TorchFile(archive(checkpoint(section)), "x")


@pytest.mark.parametrize(
    "part, reason",
    [
        (text("info") + b"cos\nsystem\n", "a Global where there must be plain values"),
        (text("info") + b"C\x01a", "a bytes where"),
        (b"K\x05K\x05", "a key that is no text"),
    ],
)
def test_sections_of_other_values(part, reason):
    with pytest.raises(ModelFileError, match=reason):
        TorchFile(archive(checkpoint(b"}" + part + b"s")), "x")


@pytest.mark.parametrize(
    "call",
    [
        b"ctorch\nSize\nh\x00\x85R0",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00h\x00h\x00tR0",
        b"c_codecs\nencode\nh\x00" + text("latin1") + b"\x86R0",
    ],
)
def test_calls_that_copy_a_long_text_again_and_again(call):
    content = START + text("a" * 1_000_000) + b"q\x00" + call * 2000 + b"."
    with bounded(), pytest.raises(PickleError):
        read_pickle(content)


def test_names_that_are_called_again_and_again():
    name = b"c__torch__." + b"a" * 1_000_000 + b"\nb\nq\x00"
    with bounded():
        read_pickle(START + name + b"h\x00)R0" * 20_000 + b".")


def test_keys_that_python_puts_in_one_place():
    """A mapping finds each of them by asking all before it: a square of the time."""
    keys = b"".join(
        b"\x8a\x0a" + (k * ((1 << 61) - 1)).to_bytes(10, "little") + b"N" for k in range(9)
    )
    with pytest.raises(PickleError, match="too many digits"):
        read_pickle(START + b"}(" + keys + b"u.")
    with bounded():
        many = b"".join(
            b"\x8a\x08" + (k << 40).to_bytes(8, "little") + b"N" for k in range(100_000)
        )
        assert len(read_pickle(START + b"}(" + many + b"u.")) == 100_000


def test_instructions_that_make_more_than_they_take(monkeypatch):
    """A letter makes a list, of 56 bytes."""
    monkeypatch.setattr("deepattn.formats.torch.pickle._INSTRUCTIONS", 100_000)
    with bounded(), pytest.raises(PickleError, match="more than 100000 instructions"):
        read_pickle(START + b"]" * 1_000_000)


@pytest.mark.parametrize("strides", [(1, 1), (0, 1), (1, 0)])
def test_tensors_that_repeat_their_numbers(strides):
    tensor = Tensor(Storage("0", "DoubleStorage", 10_000), 0, (5000, 5000), strides)
    with bounded(), pytest.raises(PickleError, match="repeats its numbers"):
        tensor.array(lambda key: memoryview(bytes(80_000)))


def test_many_tensors_that_must_be_copied():
    """Each of them the numbers of one storage in another order, or in half precision."""
    numbers = np.arange(10_000.0)
    state = {
        f"model.Default.x{k}": Tensor(
            Storage("0", "DoubleStorage", 10_000), 0, (100, 100), (1, 100)
        )
        for k in range(1500)
    }
    half = {
        f"model.Default.y{k}": Tensor(Storage("1", "HalfStorage", 40_000), k, (30_000,), (1,))
        for k in range(1500)
    }
    extra = {"_extra_state": {"model_params": SECTION}}
    content = {"0": numbers.tobytes(), "1": bytes(80_000)}
    value = {"model": {**state, **half, **extra}}
    model = TorchFile(encode_torch(value, lambda key: memoryview(content[key])), "x").model()
    with bounded(megabytes=80), pytest.raises(PickleError, match="repeat their numbers"):
        for _ in range(2):
            # Equal tensors are one array.
            for name in state:
                model.array(name.removeprefix("model.Default."))
        assert model.array("x0") is model.array("x1499")
        for name in half:
            model.array(name.removeprefix("model.Default."))


def frozen(state: bytes) -> bytes:
    """The pickle of a frozen model with some attributes."""
    script = text("model_def_script") + text(json.dumps(SECTION)) + b"s"
    return START + b"c__torch__\nModel\n)\x81}" + script + state + b"b."


def test_objects_that_repeat_their_parts():
    node = b"c__torch__\nPart\n)\x81}%sb"
    state = node % b""
    for _ in range(60):
        state = node % (text("a") + state + b"q\x00s" + text("b") + b"h\x00s")
    with bounded(), pytest.raises(ModelFileError, match="without end"):
        TorchFile(archive(frozen(text("part") + state + b"s")), "x")


def test_objects_with_long_names():
    state = b"c__torch__\nPart\n)\x81}b"
    for _ in range(5):
        state = b"c__torch__\nPart\n)\x81}" + text("a" * 100_000) + state + b"sb"
    with bounded(), pytest.raises(ModelFileError, match="names without end"):
        TorchFile(archive(frozen(text("part") + state + b"s")), "x")


def test_a_script_that_is_nested_too_deeply():
    script = text("model_def_script") + text("[" * 100_000) + b"s"
    pickle = START + b"c__torch__\nModel\n)\x81}" + script + b"b."
    with bounded(), pytest.raises(ModelFileError, match="too deeply"):
        TorchFile(archive(pickle), "x")


def test_a_data_modifier_changes_energies():
    pickle = frozen(b"")
    modifier = "extra/data_modifier.pth"
    assert TorchFile(archive(pickle, (modifier, b"")), "x").is_frozen
    with pytest.raises(ModelFileError, match="data modifier"):
        TorchFile(archive(pickle, (modifier, b"PK")), "x")
