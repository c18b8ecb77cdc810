"""Frozen models of DeePMD-kit (``.pb``): metadata and weights."""

import json
import os
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepattn import limits
from deepattn.errors import ModelFileError
from deepattn.formats.graphdef import Graph, parse_graph, read_graph
from deepattn.formats.weight_names import BIAS, from_graph, of_fragments

# The cutoff radius that graphs of models without one name.
NO_CUTOFF = -1.0
# The second number in a scope is the place of a descriptor in a hybrid.
_WEIGHT_NAMES = re.compile(
    r"""
      type_embed_net/(matrix|bias|idt)_\d+
    | filter_type_\d+(_\d+)?/(matrix|bias|idt)_\d+_\d+
    | filter_type_all(_\d+)?/(matrix|bias|idt)_\d+(_\d+){0,2}
    | filter_type_all(_\d+)?/(matrix|bias|idt)_\d+_(one|two)_side_ebd
    | attention_layer_\d+(_\d+)?/c_(query|key|value|out)/(matrix|bias)
    | attention_layer_\d+(_\d+)?/layer_normalization/(gamma|beta)
    | (layer_\d+)(_type_\d+)?/(matrix|bias|idt)
    | final_layer(_type_\d+)?/(matrix|bias)
    | share_.+/(matrix|bias|idt)
    | (descrpt_attr(_\d+)?|fitting_attr)/own/[\w/]+
    | descrpt_attr(_\d+)?/t_(avg|std)
    | fitting_attr/t_(bias_atom_e|bias_dos|constant_matrix|[fa]param_(avg|istd))
    | model_attr/model_attr/t_out_(bias|std)
    | model_attr/t_tab_(info|data)
    """,
    re.VERBOSE,
)
# In front of the names of the models of a linear combination.
_PLACE = re.compile(r"model\d+/")
# Constants of the mask that keeps a neighbor from itself, not weights.
_ATTENTION_MASK = re.compile(r"attention_layer_\d+(_\d+)?/(eye|ones)(_\d+)?(/.*)?")
# 2.x numbers layer norms as Keras does; the number is redundant with the layer's.
_NUMBERED_NORM = re.compile(r"(attention_layer_\d+(?:_\d+)?/layer_normalization)_\d+/(gamma|beta)")


@dataclass(frozen=True)
class FrozenModel:
    """Contents of a frozen model, by the names of docs/formats.md.

    Attributes:
        graph: The graph itself.
        kind: What the model gives, ``ener`` for energies.
        training_script: The input file it was trained with, or None for a model without.
        type_map: Names of the atom types, with those of virtual atoms; empty if they are numbers
            only.
        rcut: Cutoff radius in Å; `NO_CUTOFF` where there is none.
        ntypes: Number of atom types.
        dfparam: Number of frame parameters.
        daparam: Number of atomic parameters.
        min_nbor_dist: Shortest distance in the training data in Å, or None.
        model_type: ``original_model``, ``compressed_model`` or None.
        interface_dtype: ``float64``, or ``float32`` for a model made with low interface precision.
        sel: Neighbor slots, one number or one for each type; empty if the file does not give them.
        original_sel: The ``sel`` of the first training, whose sum divides the descriptor.
        weights: Arrays by name.
        ntypes_spin: Number of types of virtual atoms, the last types.
        of_residues: Whether the atomic parameter is the residue of an atom, ghosts among them.
    """

    graph: Graph
    kind: str
    training_script: dict | None
    type_map: list[str]
    rcut: float
    ntypes: int
    dfparam: int
    daparam: int
    min_nbor_dist: float | None
    model_type: str | None
    interface_dtype: str
    sel: list[int]
    original_sel: list[int]
    weights: dict[str, np.ndarray] = field(repr=False)
    ntypes_spin: int = 0
    of_residues: bool = False

    @property
    def elements(self) -> list[str]:
        """Names of the types without those of virtual atoms."""
        return self.type_map[: self.ntypes - self.ntypes_spin]

    @property
    def lacks_derivatives(self) -> bool:
        """Whether a graph of DeePMD-kit has forces without the derivative of the switch of types,
        which early versions took from the operation itself, not from what they differentiate by."""
        nodes = self.graph.nodes.values()
        rows = [node.name for node in nodes if node.op == "ProdEnvMatAMix"]
        return any(sum(list(node.input).count(name) for node in nodes) > 1 for name in rows)

    def integers(self, name: str) -> list[int]:
        """A constant of whole numbers; empty if the graph has none of the name."""
        return _integers(self.graph, name)


def read_frozen(path: str | os.PathLike) -> FrozenModel:
    """Read a frozen model.

    Args:
        path: The ``.pb`` file, written by deepattn or by DeePMD-kit 2.1.5 or later.

    Raises:
        ModelFileError: If the file is missing, damaged or unsafe, of another version, or
            lacks something every model has.
    """
    return _frozen(read_graph(path), path)


def parse_frozen(content: bytes, path: str | os.PathLike) -> FrozenModel:
    """Parse the bytes of a frozen model.

    Args:
        content: The bytes.
        path: Where they come from, for messages.

    Raises:
        ModelFileError: As for :func:`read_frozen`.
    """
    return _frozen(parse_graph(content, path), path)


def _frozen(graph: Graph, path: str | os.PathLike) -> FrozenModel:
    version = _scalar(graph, "model_attr/model_version", str, "0.0")
    major, _, minor = version.partition(".")
    if major != "1" or minor not in ("0", "1"):
        raise ModelFileError(
            f"{path}: has model version {version}, but only 1.0 and 1.1 can be read; convert "
            "it with 'deepattn convert-from'"
        )
    rcut = _scalar(graph, "descrpt_attr/rcut", (int, float))
    ntypes = _scalar(graph, "descrpt_attr/ntypes", int)
    type_map = _scalar(graph, "model_attr/tmap", str, "").split()
    if not (np.isfinite(rcut) and (rcut > 0 or rcut == NO_CUTOFF)):
        raise ModelFileError(f"{path}: has the invalid cutoff radius {rcut}")
    moments = _scalar(graph, "spin_attr/ntypes_spin", int, 0)
    if not 0 <= 2 * moments <= ntypes:
        raise ModelFileError(f"{path}: has {moments} types of virtual atoms among {ntypes} types")
    if type_map:
        type_map += [f"{name}_spin" for name in type_map[:moments]]
    if ntypes < 1 or len(type_map) not in (0, ntypes):
        raise ModelFileError(
            f"{path}: has {ntypes} atom types (descrpt_attr/ntypes), but {len(type_map)} names in "
            "its type map (model_attr/tmap)"
        )
    distance = _scalar(graph, "train_attr/min_nbor_dist", (int, float), float("nan"))
    sel = _integers(graph, "descrpt_attr/sel")
    if not any(sel):
        # Where only distances count, DeePMD-kit writes zeros.
        sel = []
    return FrozenModel(
        graph=graph,
        kind=_scalar(graph, "model_attr/model_type", str, "ener"),
        training_script=_training_script(graph),
        type_map=type_map,
        rcut=float(rcut),
        ntypes=ntypes,
        dfparam=_scalar(graph, "fitting_attr/dfparam", int, default=0),
        daparam=_scalar(graph, "fitting_attr/daparam", int, default=0),
        min_nbor_dist=float(distance) if np.isfinite(distance) else None,
        model_type=_scalar(graph, "model_type", str, "") or None,
        interface_dtype=_interface_dtype(graph),
        sel=sel,
        original_sel=_integers(graph, "descrpt_attr/original_sel") or sel,
        weights=_weights(graph),
        ntypes_spin=moments,
        of_residues=of_fragments(BIAS, 0) in graph.nodes,
    )


def _scalar(graph: Graph, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
    value = graph.attr(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ModelFileError(
            f"{graph.origin}: the constant '{name}' has an unexpected shape or type"
        )
    return value


def _integers(graph: Graph, name: str) -> list[int]:
    value = np.ravel(graph.attr(name, ()))
    if value.size and value.dtype.kind != "i":
        raise ModelFileError(f"{graph.origin}: the constant '{name}' does not contain integers")
    return value.astype(int).tolist()


def _interface_dtype(graph: Graph) -> str:
    number = graph.nodes["descrpt_attr/rcut"].attr["value"].tensor.dtype
    if number not in (1, 2):
        raise ModelFileError(f"{graph.origin}: 'descrpt_attr/rcut' is neither float32 nor float64")
    return {1: "float32", 2: "float64"}[number]


def _training_script(graph: Graph) -> dict | None:
    text = _scalar(graph, "train_attr/training_script", str, "")
    if not text:
        return None
    try:
        script = json.loads(text)
        limits.check_depth(script)
    except (ValueError, TypeError, RecursionError):
        script = None
    if not isinstance(script, dict) or not isinstance(script.get("model", {}), dict):
        raise ModelFileError(
            f"{graph.origin}: 'train_attr/training_script' is not a JSON object with a mapping "
            "'model'"
        )
    return script


def _weights(graph: Graph) -> dict[str, np.ndarray]:
    weights = {}
    for stored, array in graph.constants().items():
        name = from_graph(_NUMBERED_NORM.sub(r"\1/\2", stored))
        if _WEIGHT_NAMES.fullmatch(_PLACE.sub("", name)):
            if array.dtype.kind != "f":
                raise ModelFileError(f"{graph.origin}: the weight '{stored}' is not floating point")
            if name in weights:
                raise ModelFileError(f"{graph.origin}: two arrays have the name '{name}'")
            weights[name] = array
        elif _is_array_of_attention(name, array):
            # An unknown weight would be ignored silently; better to stop.
            raise ModelFileError(
                f"{graph.origin}: the attention weight '{stored}' has an unknown name; the file "
                "was not written by any released DeePMD-kit"
            )
    return weights


def _is_array_of_attention(name: str, array: np.ndarray) -> bool:
    is_attention = name.startswith("attention_layer_") and not _ATTENTION_MASK.fullmatch(name)
    return is_attention and array.dtype.kind == "f" and array.size > 1
