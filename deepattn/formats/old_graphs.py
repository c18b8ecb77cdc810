"""Frozen graphs of older DeePMD-kit versions, turned into today's form without running them."""

from collections.abc import Callable

from deepattn.errors import ModelFileError
from deepattn.formats.graphdef import Graph
from deepattn.formats.messages import AttrValue, GraphDef

VERSIONS = ("0.12", "1.0", "1.1", "1.2", "1.3", "2.0")
CURRENT = "2.1"

# Numbers of data types.
_DOUBLE, _INT32, _STRING = 2, 3, 7

_MODEL_VERSION = "model_attr/model_version"
# The version of a graph by that of the model in it.
_OF_MODEL = {"1.0": "2.0", "1.1": CURRENT}

# Replaced one after the other, so `atom_energy_test` comes before `energy_test`.
_NAMES_OF_1_0 = {
    "DescrptNorot": "DescrptSeA",
    "ProdForceNorot": "ProdForceSeA",
    "ProdVirialNorot": "ProdVirialSeA",
    "t_rcut": "descrpt_attr/rcut",
    "t_ntypes": "descrpt_attr/ntypes",
    "atom_energy_test": "o_atom_energy",
    "atom_virial_test": "o_atom_virial",
    "energy_test": "o_energy",
    "force_test": "o_force",
    "virial_test": "o_virial",
}
_NAMES_OF_2_0 = {"DescrptSeA": "ProdEnvMatA", "DescrptSeR": "ProdEnvMatR"}
_NAMES_OF_2_1 = {"TabulateFusion": "TabulateFusionSeA"}
# Operations of 1.2 compute in double precision; from 1.3 on they have a type.
_WITHOUT_TYPE = ("DescrptSeA", "ProdForceSeA", "ProdVirialSeA")


def version_of(message: GraphDef) -> str | None:
    """The version of DeePMD-kit that wrote a graph, as far as its nodes differ.

    Args:
        message: The graph.

    Returns:
        One of `VERSIONS` without ``1.1``, whose graphs are those of ``1.2``; `CURRENT`; or None
        for a version of the model that is not known.
    """
    nodes = {node.name: node for node in message.node}
    if any("DescrptNorot" in text for node in message.node for text in (node.name, node.op)):
        return "0.12"
    if "fitting_attr/dfparam" in nodes and "fitting_attr/daparam" not in nodes:
        return "1.0"
    if _MODEL_VERSION in nodes:
        values = nodes[_MODEL_VERSION].attr["value"].tensor.string_val
        return _OF_MODEL.get(b"".join(values).decode(errors="replace"))
    typed = all("T" in node.attr for node in message.node if node.op in _WITHOUT_TYPE)
    return "1.3" if typed else "1.2"


def upgraded(message: GraphDef, origin: str, *, version: str = "auto") -> Graph:
    """Turn a graph of an older version into one of 2.1, which is today's form.

    Args:
        message: The graph, which is changed.
        origin: Where it comes from, for messages.
        version: The version that wrote it, one of `VERSIONS`, or ``auto`` to recognize it.

    Returns:
        The graph, checked like any that is read.

    Raises:
        ModelFileError: The graph is of another version than ``version``, of none that is known,
            or not safe.
    """
    found = version_of(message)
    if found is None:
        raise ModelFileError(
            f"{origin}: is a graph of a version that is not known; graphs of DeePMD-kit "
            f"{VERSIONS[0]} to {CURRENT} can be converted"
        )
    # The graphs of 1.1 to 1.3 differ in what is only added where it is missing.
    if version != "auto" and _family(version) != _family(found):
        raise ModelFileError(
            f"{origin}: is a graph of DeePMD-kit {found}, not {version}; omit the version"
        )
    for written_by, change in _CHANGES.items():
        if _number(found) <= _number(written_by):
            change(message)
    return Graph(message, origin)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _family(version: str) -> str:
    return "1.1 to 1.3" if version in ("1.1", "1.2", "1.3") else version


def _to_1_0(message: GraphDef) -> None:
    _rename(message, _NAMES_OF_1_0)
    _add_constant(message, "fitting_attr/dfparam", 0)
    _add_constant(message, "model_attr/model_type", "ener")
    _add_constant(message, "model_attr/tmap", "")


def _to_1_1(message: GraphDef) -> None:
    _add_constant(message, "fitting_attr/daparam", 0)


def _to_1_3(message: GraphDef) -> None:
    for node in message.node:
        if node.op in _WITHOUT_TYPE and "T" not in node.attr:
            node.attr["T"].type = _DOUBLE


def _to_2_0(message: GraphDef) -> None:
    _rename(message, _NAMES_OF_2_0)
    _add_constant(message, _MODEL_VERSION, "1.0")


def _to_2_1(message: GraphDef) -> None:
    _rename(message, _NAMES_OF_2_1)
    for node in message.node:
        if node.name == _MODEL_VERSION:
            node.attr["value"].tensor.string_val[:] = [b"1.1"]


# By the newest version whose graphs need the change.
_CHANGES: dict[str, Callable[[GraphDef], None]] = {
    "0.12": _to_1_0,
    "1.0": _to_1_1,
    "1.2": _to_1_3,
    "1.3": _to_2_0,
    "2.0": _to_2_1,
}


def _rename(message: GraphDef, names: dict[str, str]) -> None:
    """Replace parts of the names of nodes and operations, wherever a node refers to them."""
    for node in message.node:
        node.name = _replaced(node.name, names)
        node.op = _replaced(node.op, names)
        node.input[:] = [_replaced(entry, names) for entry in node.input]
        if "_class" in node.attr:  # names nodes on the same device
            places = node.attr["_class"].list.s
            places[:] = [
                _replaced(place.decode("latin"), names).encode("latin") for place in places
            ]


def _replaced(text: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text


def _add_constant(message: GraphDef, name: str, value: int | str) -> None:
    node = message.node.add(name=name, op="Const")
    number = _STRING if isinstance(value, str) else _INT32
    node.attr["dtype"].CopyFrom(AttrValue(type=number))
    tensor = node.attr["value"].tensor
    tensor.dtype = number
    tensor.tensor_shape.SetInParent()
    if isinstance(value, str):
        tensor.string_val.append(value.encode())
    else:
        tensor.int_val.append(value)
