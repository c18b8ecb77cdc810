"""Changes of a file: at random, and where formats keep sizes, counts, places and names."""

from __future__ import annotations

import io
import pickletools
import random
import re
import struct
import zipfile
from functools import lru_cache

from deepattn.formats.messages import GraphDef

# Integers that programs often do not expect.
NUMBERS = (0, 1, 2, 7, 8, 255, 256, 4095, 4096, 65535, 65536, 1 << 24, (1 << 31) - 1, 1 << 31)
NUMBERS += ((1 << 32) - 1, 1 << 32, 1 << 40, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)
WORDS = (b"-1", b"0", b"1e400", b"nan", b"99999999999", b"1" * 5000, b"\xff", b"\0", b"../../x")
WORDS += (b"[" * 700, b"{}", b"null", b"true", b'"x"', b"-9223372036854775808", b"0x" + b"f" * 99)
_TOKEN = re.compile(rb"[\w.+-]+")


def of_bytes(content: bytes, draw: random.Random) -> bytes:
    """A binary file with one to four changes."""
    damaged = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        change = draw.choice((_flip, _flip, _number, _number, _number, _cut, _copy, _zeros, _drop))
        if damaged:
            change(damaged, draw)
    return bytes(damaged)


def of_text(content: bytes, draw: random.Random) -> bytes:
    """A text with one to three changes, most of whole words."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        words = list(_TOKEN.finditer(content))
        if not words or draw.random() < 0.25:
            content = of_bytes(content, draw)
            continue
        word = draw.choice(words)
        other = draw.choice((*WORDS, draw.choice(words)[0], draw.choice(words)[0], b""))
        content = content[: word.start()] + other + content[word.end() :]
    return content


def of_graph(content: bytes, draw: random.Random) -> bytes:
    """A graph that is well-formed still, with other nodes, inputs, attributes or constants."""
    if draw.random() < 0.2:
        return of_bytes(content, draw)
    graph = GraphDef.FromString(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        node = draw.choice(graph.node)
        kind = draw.random()
        if kind < 0.25 and node.input:
            node.input[draw.randrange(len(node.input))] = draw.choice(graph.node).name
        elif kind < 0.35 and node.input:
            del node.input[draw.randrange(len(node.input))]
        elif kind < 0.5:
            node.op = draw.choice(graph.node).op
        elif kind < 0.6:
            added = graph.node.add()
            added.CopyFrom(node)
            added.name = f"{node.name}_again"
        else:
            _change_attribute(node, draw)
    return graph.SerializeToString()


# Instructions of pickles by themselves, and what they follow.
_INSTRUCTIONS = (b"(", b"0", b"1", b"N", b"]", b"}", b")", b"t", b"a", b"e", b"s", b"u", b"R", b"b")
_INSTRUCTIONS += (b"Q", b"\x81", b"\x85", b"\x86", b"\x87", b"\x93", b"\x94", b"q\x00", b"h\x00")
_INSTRUCTIONS += (
    b".",
    b"i",
    b"o",
    b"K\x07",
    b"\x8a\x08" + b"\x7f" * 8,
    b"cos\nsystem\n",
    b"\x82\x01",
)
_INSTRUCTIONS += (b"c__torch__.A\nB\n", b"ctorch\nSize\n", b"ctorch\nDoubleStorage\n", b"C\x01a")
_INSTRUCTIONS += (b"X\x01\0\0\0a", b"ctorch._utils\n_rebuild_tensor_v2\n", b"G" + b"\x7f" * 8)


def of_torch(content: bytes, draw: random.Random) -> bytes:
    """An archive of PyTorch that is well-formed still, most with another pickle."""
    if draw.random() < 0.2:
        return of_bytes(content, draw)
    members = dict(_members(content))
    pickle = next(name for name in members if name.endswith("/data.pkl"))
    if draw.random() < 0.1:
        name = draw.choice(sorted(members))
        members[name] = of_bytes(members[name], draw)
    elif draw.random() < 0.4:
        members[pickle] = of_bytes(members[pickle], draw)
    else:
        members[pickle] = _of_pickle(members[pickle], draw)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, part in members.items():
            archive.writestr(name, part)
    return file.getvalue()


@lru_cache(maxsize=8)
def _members(content: bytes) -> tuple[tuple[str, bytes], ...]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return tuple((name, archive.read(name)) for name in archive.namelist())


@lru_cache(maxsize=8)
def _places(pickle: bytes) -> tuple[int, ...]:
    """Where the instructions begin."""
    return tuple(place for _, _, place in pickletools.genops(pickle))


def _of_pickle(content: bytes, draw: random.Random) -> bytes:
    """A pickle with one to four instructions left out, repeated, moved, exchanged or added."""
    places = _places(content)
    pieces = [content[a:b] for a, b in zip(places, (*places[1:], len(content)), strict=True)]
    for _ in range(draw.choice((1, 1, 2, 4))):
        place, other = draw.randrange(len(pieces)), draw.randrange(len(pieces))
        kind = draw.random()
        if kind < 0.2:
            pieces[place] = b""
        elif kind < 0.4:
            pieces[place] = pieces[other]
        elif kind < 0.55:
            pieces.insert(place, pieces[other])
        elif kind < 0.65:
            pieces[place], pieces[other] = pieces[other], pieces[place]
        elif kind < 0.8:
            pieces[place] = of_bytes(pieces[place], draw)
        else:
            pieces.insert(place, draw.choice(_INSTRUCTIONS) * draw.choice((1, 1, 1, 3, 200)))
    return b"".join(pieces)


def _change_attribute(node, draw: random.Random) -> None:
    if not node.attr:
        return
    attribute = node.attr[draw.choice(sorted(node.attr))]
    number = draw.choice((*NUMBERS[:16], -1, -5))
    if attribute.HasField("tensor"):
        tensor = attribute.tensor
        choice = draw.randrange(4)
        if choice == 0:
            tensor.tensor_shape.dim.add(size=number)
        elif choice == 1 and tensor.tensor_shape.dim:
            draw.choice(tensor.tensor_shape.dim).size = number
        elif tensor.tensor_content:
            tensor.tensor_content = of_bytes(tensor.tensor_content, draw)
        else:
            tensor.int64_val.append(number)
    elif attribute.HasField("shape"):
        attribute.shape.dim.add(size=number)
    elif attribute.HasField("type"):
        attribute.type = draw.randrange(30)
    elif attribute.HasField("b"):
        attribute.b = not attribute.b
    else:
        attribute.i = number


def _flip(content: bytearray, draw: random.Random) -> None:
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def _number(content: bytearray, draw: random.Random) -> None:
    size = draw.choice((1, 2, 4, 8))
    place = draw.randrange(len(content)) // size * size
    near = struct.unpack_from("<Q", bytes(content[place : place + size]).ljust(8, b"\0"))[0]
    number = draw.choice((*NUMBERS, near + 1, near - 1, near * 2, len(content), len(content) * 8))
    content[place : place + size] = (number % (1 << 8 * size)).to_bytes(size, "little")


def _cut(content: bytearray, draw: random.Random) -> None:
    del content[draw.randrange(len(content)) :]


def _copy(content: bytearray, draw: random.Random) -> None:
    start, place = draw.randrange(len(content)), draw.randrange(len(content))
    piece = content[start : start + draw.choice((4, 16, 64, 512))]
    content[place : place + len(piece)] = piece


def _zeros(content: bytearray, draw: random.Random) -> None:
    place = draw.randrange(len(content))
    length = min(draw.choice((4, 16, 64, 512)), len(content) - place)
    content[place : place + length] = bytes(length)


def _drop(content: bytearray, draw: random.Random) -> None:
    place = draw.randrange(len(content))
    del content[place : place + draw.choice((1, 4, 16))]
