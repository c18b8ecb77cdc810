"""Freezing: the model as one graph file that an unmodified DeePMD-kit runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.errors import ConfigError, OpLibraryError
from deepattn.export.attributes import attribute_constants
from deepattn.formats.files import write_whole
from deepattn.formats.outputs import GRAPH
from deepattn.infer.trial import try_graph
from deepattn.models.atomic_model import AtomicModel
from deepattn.models.blocks import evaluate_in_blocks
from deepattn.models.energy_model import EnergyModel
from deepattn.models.spin_model import SpinModel
from deepattn.models.tabulated_potential import potential_in_one_operation


def freeze(
    model: AtomicModel,
    path: str | Path,
    *,
    training_script: Mapping,
    min_nbor_dist: float | None = None,
    fast: bool = False,
) -> Path:
    """Write a model as a graph with its weights as named constants.

    The graph is a trace of the model's own ``call``, so there is no second definition of it.
    The portable graph has stock operations only. The fast one also has those of
    ``libdeepattn_ops_tf*.so``, which DeePMD-kit 3.0 and later load from ``DP_PLUGIN_PATH``.

    Args:
        model: the model.
        path: file to write; ``.pb`` is appended if it does not end so.
        training_script: the normalized input, which DeePMD-kit reads for fine-tuning and
            compression.
        min_nbor_dist: shortest distance in the training data, Å, which compression needs.
        fast: whether the graph may have operations of deepattn's own.

    Returns:
        The path written.

    Raises:
        OpLibraryError: the compiled ops, whose names the graph must carry, are not there.
        ConfigError: DeePMD-kit has no graphs of such models.
        ModelFileError: the graph, which is run once before the file gets its name, does not run.
    """
    if model.descriptor.passes_messages:
        raise ConfigError(
            f"models with the descriptor {type(model.descriptor).__name__} cannot be frozen to "
            ".pb, since DeePMD-kit has no such graphs; write a .savedmodeltf, which DeePMD-kit "
            "3.2 and its LAMMPS run"
        )
    if isinstance(model, SpinModel) and model.spin.given_moments:
        raise ConfigError(
            "a model that takes magnetic moments (virtual_scale) cannot be frozen to .pb, since "
            "DeePMD-kit's graphs take virtual atoms; write a .dp or .pt file."
        )
    if model.fitting.graph_type is None:
        raise ConfigError(
            f"models with the fitting {type(model.fitting).__name__} cannot be frozen to .pb, "
            "since DeePMD-kit has no such graphs; write a .dp file."
        )
    require_ops(fast=fast)
    path = Path(path)
    if path.suffix != GRAPH:
        path = path.with_name(path.name + GRAPH)
    with contextlib.nullcontext() if fast else ops.portable():
        graph_def = trace(model, training_script=training_script, min_nbor_dist=min_nbor_dist)
    with write_whole(path) as file:
        file.write(graph_def.SerializeToString())
        file.flush()
        try_graph(file.name, path)
    return path


def require_ops(*, fast: bool) -> None:
    """Refuse to make a graph where the ops that it is made of are missing.

    Args:
        fast: whether it may have operations of deepattn's own.

    Raises:
        OpLibraryError: the compiled ops, whose names the graph must carry, are not there.
    """
    if ops.library() is None or (fast and ops.fast_library() is None):
        raise OpLibraryError(
            "freezing needs the compiled op library, which could not be loaded; "
            "build it with: python -m deepattn.ops.build"
        )


def trace(
    model: AtomicModel, *, training_script: Mapping, min_nbor_dist: float | None = None
) -> tf.compat.v1.GraphDef:
    """The graph that `freeze` writes, pruned to the nodes that its readers name."""
    arrays = model.get_arrays()
    graph = tf.Graph()
    with graph.as_default(), _loops_as_nodes():
        names = _trace_outputs(model, arrays)
        attributes = attribute_constants(
            model, training_script=json.dumps(training_script), min_nbor_dist=min_nbor_dist
        )
        for name, value in attributes.items():
            tf.constant(value, name=name)
    graph_def = graph.as_graph_def()
    # Readers feed all inputs, though a model may ignore some.
    inputs = [node.name for node in graph_def.node if node.op == "Placeholder"]
    nodes = [*names, *inputs, *map(model.graph_name, arrays), *attributes]
    return _pruned(graph_def, nodes)


def _trace_outputs(model: AtomicModel, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Trace the model between DeePMD's placeholders and outputs; return the outputs' names."""
    variables = model.named_variables()
    weights = [
        (variables[name], tf.constant(a, name=model.graph_name(name))) for name, a in arrays.items()
    ]
    given = _placeholders(model)
    inputs = model.expanded(given)
    natoms = inputs["natoms"]
    with keras.StatelessScope(state_mapping=weights):
        environment = model.environment(inputs)
        outputs = evaluate_in_blocks(
            model,
            environment,
            inputs["atype"],
            natoms,
            inputs.get("fparam"),
            inputs.get("aparam"),
            with_descriptor=True,
        )
        # Where this replaces results, readers run nothing of what makes them otherwise.
        if isinstance(model, EnergyModel):
            outputs.update(potential_in_one_operation(model, inputs) or {})
        outputs = model.complete(outputs, inputs)
        type_vectors = model.type_vectors()
    named = {
        **model.graph_outputs(outputs, environment, given["natoms"]),
        **model.graph_descriptors(outputs, environment),
    }
    if type_vectors is not None:
        named["t_typeebd"] = type_vectors
    for name, tensor in named.items():
        tf.identity(tensor, name=name)
    return list(named)


@contextlib.contextmanager
def _loops_as_nodes() -> Iterator[None]:
    """Write loops as nodes of the graph; DeePMD-kit's readers do not look into functions."""
    as_functions = tf.compat.v1.control_flow_v2_enabled()
    tf.compat.v1.disable_control_flow_v2()
    try:
        yield
    finally:
        if as_functions:
            tf.compat.v1.enable_control_flow_v2()


def _placeholders(model: AtomicModel) -> dict[str, tf.Tensor]:
    """The inputs by their DeePMD names, reshaped from the ranks that callers may feed."""
    dtype = model.interface_dtype

    def placeholder(name: str, kind: str, shape: list[int | None]) -> tf.Tensor:
        return tf.compat.v1.placeholder(kind, shape, name=name)

    natoms = placeholder("t_natoms", "int32", [model.ntypes + 2])
    nall = natoms[1]
    coord, atype = placeholder("t_coord", dtype, [None]), placeholder("t_type", "int32", [None])
    box = tf.reshape(placeholder("t_box", dtype, [None]), [-1, 9])
    # Without atoms the number of frames does not follow from the coordinates.
    nframes = tf.shape(box)[0]
    inputs = {
        "coord": tf.reshape(coord, [nframes, nall, 3]),
        "atype": tf.reshape(atype, [nframes, nall]),
        "natoms": natoms,
        "box": box,
        "mesh": placeholder("t_mesh", "int32", [None]),
    }
    fitting = model.fitting
    if fitting.numb_fparam:
        fparam = placeholder("t_fparam", dtype, [None])
        inputs["fparam"] = tf.reshape(fparam, [-1, fitting.numb_fparam])
    if model.numb_aparam:
        aparam = placeholder("t_aparam", dtype, [None])
        count = nall if fitting.aparam_is_mask or model.of_residues else natoms[0]
        inputs["aparam"] = tf.reshape(aparam, [nframes, count, model.numb_aparam])
    return inputs


def _pruned(graph_def: tf.compat.v1.GraphDef, names: Iterable[str]) -> tf.compat.v1.GraphDef:
    """The graph without the nodes that none of the named ones depends on."""
    inputs = {
        node.name: [source.lstrip("^").partition(":")[0] for source in node.input]
        for node in graph_def.node
    }
    kept: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in kept:
            kept.add(name)
            pending += inputs[name]
    pruned = tf.compat.v1.GraphDef(versions=graph_def.versions)
    pruned.node.extend(node for node in graph_def.node if node.name in kept)
    return pruned
