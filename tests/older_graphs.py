"""Graphs in the forms that older versions of DeePMD-kit gave them, made from a graph of today."""

from __future__ import annotations

from deepattn.formats.messages import GraphDef

# Of a graph of 0.12, by those of 1.0.
_NAMES_OF_0_12 = {
    "DescrptSeA": "DescrptNorot",
    "ProdForceSeA": "ProdForceNorot",
    "ProdVirialSeA": "ProdVirialNorot",
    "descrpt_attr/rcut": "t_rcut",
    "descrpt_attr/ntypes": "t_ntypes",
    "o_atom_energy": "atom_energy_test",
    "o_atom_virial": "atom_virial_test",
    "o_energy": "energy_test",
    "o_force": "force_test",
    "o_virial": "virial_test",
}


def older(current: GraphDef, version: str) -> GraphDef:
    """A graph as DeePMD-kit ``version`` would have written it: 2.0, 1.3, 1.2, 1.0 or 0.12."""
    graph = GraphDef()
    graph.CopyFrom(current)
    _rename(graph, {"TabulateFusionSeA": "TabulateFusion"})
    for node in graph.node:
        if node.name == "model_attr/model_version":
            node.attr["value"].tensor.string_val[:] = [b"1.0"]
    if version == "2.0":
        return graph
    _remove(graph, "model_attr/model_version", "model_type")
    _remove(graph, *(node.name for node in graph.node if node.name.startswith("train_attr/")))
    _rename(graph, {"ProdEnvMatA": "DescrptSeA"})
    if version == "1.3":
        return graph
    for node in graph.node:
        if node.op in ("DescrptSeA", "ProdForceSeA", "ProdVirialSeA"):
            del node.attr["T"]
    if version == "1.2":
        return graph
    _remove(graph, "fitting_attr/daparam")
    if version == "1.0":
        return graph
    _remove(graph, "fitting_attr/dfparam", "model_attr/model_type", "model_attr/tmap")
    _rename(graph, _NAMES_OF_0_12)
    return graph


def _rename(graph: GraphDef, names: dict[str, str]) -> None:
    for old, new in names.items():
        for node in graph.node:
            node.name = node.name.replace(old, new)
            node.op = node.op.replace(old, new)
            node.input[:] = [entry.replace(old, new) for entry in node.input]


def _remove(graph: GraphDef, *names: str) -> None:
    kept = [node for node in graph.node if node.name not in names]
    del graph.node[:]
    graph.node.extend(kept)
