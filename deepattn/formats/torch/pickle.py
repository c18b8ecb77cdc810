"""The pickle in PyTorch's files, read as data.

A pickle is a program for a small stack machine. This one knows the instructions of protocols 2 to 4
that make plain values. Of the calls it knows those of `deepattn.formats.torch.values`, which builds
their results. Names of TorchScript (``__torch__.…``) become inert `Node` objects. Nothing is
imported, and nothing that a file names is run.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from deepattn.formats.torch.values import (
    STORAGES,
    Global,
    Node,
    PickleError,
    Storage,
    call,
)

_FLOAT = struct.Struct(">d")
# A state of 37 branches takes 700,000. One makes up to 80 bytes.
_INSTRUCTIONS = 10_000_000
_LONG_BYTES = 16
# Python gives no larger number a hash of its own, and finding equal hashes takes the square of
# their number.
_KEYS = 1 << 60


def read_pickle(content: bytes | memoryview) -> Any:
    """The value of a pickle.

    Mappings become dicts (attributes of an ``OrderedDict`` are dropped), tensors `Tensor`, objects
    of TorchScript `Node`.

    Args:
        content: The whole pickle.

    Raises:
        PickleError: It is damaged, or has an instruction or a name that is not known here.
    """
    try:
        return _Machine(bytes(content)).run()
    except PickleError:
        raise
    except (LookupError, ValueError, TypeError, struct.error):
        raise PickleError("its pickle is damaged") from None


class _Mark:
    """What the instruction MARK leaves on the stack."""


class _Machine:
    def __init__(self, content: bytes):
        self.content = content
        self.place = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Follow the instructions up to STOP."""
        content, stack, memo, known = self.content, self.stack, self.memo, _INSTRUCTION_SET
        place = self.place
        for _ in range(_INSTRUCTIONS):
            code = content[place]
            place += 1
            # Three of five instructions, here because calls take time.
            if code == _PUT:
                memo[content[place]] = stack[-1]
                place += 1
            elif code == _GET:
                stack.append(memo[content[place]])
                place += 1
            elif code == _LONG_PUT:
                memo[int.from_bytes(content[place : place + 4], "little")] = stack[-1]
                place += 4
            elif code == _LONG_GET:
                stack.append(memo[int.from_bytes(content[place : place + 4], "little")])
                place += 4
            elif code == _SMALL:
                stack.append(content[place])
                place += 1
            elif code == _STOP:
                [value] = stack
                return value
            else:
                instruction = known.get(code)
                if instruction is None:
                    raise PickleError(
                        f"its pickle has the instruction {bytes([code])!r}, not known"
                    )
                self.place = place
                instruction(self)
                place = self.place
        raise PickleError(f"its pickle has more than {_INSTRUCTIONS} instructions")

    def take(self, count: int) -> bytes:
        """The next bytes of the pickle."""
        end = self.place + count
        if count < 0 or end > len(self.content):
            raise PickleError("its pickle ends too early")
        taken = self.content[self.place : end]
        self.place = end
        return taken

    def number(self, size: int, *, signed: bool = False) -> int:
        """The next whole number of ``size`` bytes. Where they are missing, so is what follows."""
        start = self.place
        self.place = end = start + size
        return int.from_bytes(self.content[start:end], "little", signed=signed)

    def line(self) -> str:
        """The text up to the end of the line."""
        end = self.content.index(b"\n", self.place)
        text = self.content[self.place : end].decode()
        self.place = end + 1
        return text

    def pop(self) -> Any:
        """The top of the stack, above the last mark."""
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise PickleError("its pickle is damaged")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        """All above the last mark, and the mark itself."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)


def _pushes(value: Any) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(value)


def _number(size: int, *, signed: bool = False) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(machine.number(size, signed=signed))


def _text(size: int) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(str(machine.take(machine.number(size)), "utf-8"))


def _bytes(size: int) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(machine.take(machine.number(size)))


def _tuple(length: int) -> Callable[[_Machine], None]:
    def make(machine: _Machine) -> None:
        values = [machine.pop() for _ in range(length)]
        machine.push(tuple(reversed(values)))

    return make


def _memoize(machine: _Machine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _long(machine: _Machine) -> None:
    size = machine.number(1)
    if size > _LONG_BYTES:
        raise PickleError("its pickle has a number of too many digits")
    machine.push(machine.number(size, signed=True))


def _float(machine: _Machine) -> None:
    machine.push(_FLOAT.unpack(machine.take(8))[0])


def _mark(machine: _Machine) -> None:
    machine.marks.append(len(machine.stack))


def _append(machine: _Machine) -> None:
    value = machine.pop()
    _list(machine).append(value)


def _appends(machine: _Machine) -> None:
    values = machine.pop_to_mark()
    _list(machine).extend(values)


def _list(machine: _Machine) -> list[Any]:
    if not isinstance(machine.stack[-1], list):
        raise PickleError("its pickle appends to what is no list")
    return machine.stack[-1]


def _set(machine: _Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict) or len(values) % 2:
        raise PickleError("its pickle sets items of what is no mapping")
    for key, value in zip(values[::2], values[1::2], strict=True):
        # Hashing a tuple of tuples can take forever.
        if not isinstance(key, str | int):
            raise PickleError(f"its pickle has a key of the kind {type(key).__name__}")
        if isinstance(key, int) and abs(key) > _KEYS:
            raise PickleError("its pickle has a key of too many digits")
        target[key] = value


def _set_item(machine: _Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _set(machine, [key, value])


def _global(machine: _Machine) -> None:
    machine.push(Global(machine.line(), machine.line()))


def _stack_global(machine: _Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise PickleError("its pickle has a name that is no text")
    machine.push(Global(module, name))


def _persistent(machine: _Machine) -> None:
    match machine.pop():
        case ("storage", Global(module="torch", name=kind), str(key), str(), int(size)):
            if kind not in STORAGES:
                raise PickleError(f"it has tensors of the kind torch.{kind[:40]}, not known")
            machine.push(Storage(key, kind, size))
        case _:
            raise PickleError("its pickle refers to something that is no storage of a tensor")


def _reduce(machine: _Machine) -> None:
    arguments, callee = machine.pop(), machine.pop()
    if not isinstance(callee, Global) or not isinstance(arguments, tuple):
        raise PickleError("its pickle calls what is no name")
    machine.push(call(callee, arguments))


def _new_object(machine: _Machine) -> None:
    machine.pop()
    kind = machine.pop()
    if not isinstance(kind, Global) or not kind.module.startswith("__torch__"):
        raise PickleError(f"its pickle makes an object {str(kind)[:80]!r}, which is not allowed")
    machine.push(Node(kind))


def _build(machine: _Machine) -> None:
    state = machine.pop()
    target = machine.stack[-1]
    if isinstance(target, Node):
        target.state = state
    elif isinstance(target, np.dtype):
        # (version, byte order, …): the numbers of these files are little-endian.
        if not isinstance(state, tuple) or state[1] not in ("<", "|"):
            raise PickleError("its pickle has numbers of an unknown byte order")
    elif not isinstance(target, dict):
        raise PickleError("its pickle gives attributes to what has none")
    # Those of an OrderedDict are versions of PyTorch's modules, of no use here.


_STOP, _SMALL = b".K"
_PUT, _LONG_PUT, _GET, _LONG_GET = b"qrhj"
_INSTRUCTION_SET: dict[int, Callable[[_Machine], None]] = {
    code[0]: instruction
    for code, instruction in {
        b"\x80": lambda machine: machine.take(1),  # PROTO
        b"\x95": lambda machine: machine.take(8),  # FRAME
        b"(": _mark,
        b"0": lambda machine: machine.pop(),
        b"1": lambda machine: machine.pop_to_mark(),
        b"N": _pushes(None),
        b"\x88": _pushes(True),
        b"\x89": _pushes(False),
        b"J": _number(4, signed=True),
        b"M": _number(2),
        b"\x8a": _long,
        b"G": _float,
        b"X": _text(4),
        b"\x8c": _text(1),
        b"B": _bytes(4),
        b"C": _bytes(1),
        b"]": lambda machine: machine.push([]),
        b"}": lambda machine: machine.push({}),
        b")": _pushes(()),
        b"\x85": _tuple(1),
        b"\x86": _tuple(2),
        b"\x87": _tuple(3),
        b"t": lambda machine: machine.push(tuple(machine.pop_to_mark())),
        b"a": _append,
        b"e": _appends,
        b"s": _set_item,
        b"u": lambda machine: _set(machine, machine.pop_to_mark()),
        b"\x94": _memoize,
        b"c": _global,
        b"\x93": _stack_global,
        b"Q": _persistent,
        b"R": _reduce,
        b"\x81": _new_object,
        b"b": _build,
    }.items()
}
