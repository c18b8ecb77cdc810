"""Running a frozen graph as it is in the file."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from deepattn import limits, ops
from deepattn.config.fitting import kind_of_graph
from deepattn.config.observable import Observable
from deepattn.errors import ModelFileError
from deepattn.formats.allowed_ops import DEEPATTN_OPS
from deepattn.formats.frozen import FrozenModel
from deepattn.infer.feeds import Feed
from deepattn.infer.graph_distances import DISTANCE, add_distances, distance_feeds

_DESCRIPTOR = "o_descriptor"
_INPUTS = ("t_coord", "t_type", "t_natoms", "t_box", "t_mesh")
_TYPE_EMBEDDING = "t_typeebd"
_WIDENED = (tf.float32, tf.float64)


class GraphRunner:
    """A session of a frozen graph; the compiled op library must be loaded.

    Args:
        frozen: The model.
        observable: What it gives besides energies; None for energies.

    Attributes:
        nodes: The nodes of its outputs, by the names of docs/architecture.md.
        distance_width: See `Runner`.

    Raises:
        ModelFileError: If TensorFlow does not accept the graph.
    """

    def __init__(self, frozen: FrozenModel, observable: Observable | None = None):
        self.frozen = frozen
        self.observable = observable
        self.nodes = kind_of_graph(frozen.kind).graph_nodes()
        self.origin = frozen.graph.origin
        self._check_nodes()
        if frozen.graph.is_only_rebuilt:
            # What it would need has not been checked.
            raise ModelFileError(f"{self.origin}: has operations that deepattn does not run")
        self._graph = tf.Graph()
        try:
            graph_def = tf.compat.v1.GraphDef.FromString(frozen.graph.serialize())
            self.distance_width = add_distances(graph_def)
            with self._graph.as_default():
                tf.import_graph_def(graph_def, name="")
        except (
            ValueError,
            TypeError,
            KeyError,
            AssertionError,
            DecodeError,
            tf.errors.OpError,
        ) as error:
            raise ModelFileError(
                f"{self.origin}: TensorFlow does not accept the graph: {reason(error)}"
            ) from None
        self._session = tf.compat.v1.Session(graph=self._graph, config=session_config())

    @property
    def needs_uniform_frames(self) -> bool:
        """Whether the frames of a batch must have the same atoms, sorted by type."""
        # Those of the chosen types are counted by the numbers of atoms of the first frame.
        chosen = self.observable is not None and self.observable.types is not None
        by_type = any(node.op == "ProdEnvMatA" for node in self.frozen.graph.nodes.values())
        return chosen or by_type

    @property
    def sees_order(self) -> bool:
        """Whether it may matter which atom of a frame is the first."""
        return False

    def run(self, feed: Feed, names: Sequence[str]) -> list[np.ndarray]:
        """Evaluate outputs by the names of docs/architecture.md, shaped as they are there.

        Raises:
            ModelFileError: If the graph takes or gives arrays of other shapes.
            tf.errors.OpError: If an operation fails.
        """
        nodes = {**self.nodes, "descriptor": _DESCRIPTOR, "distance": DISTANCE}
        values = self._fetch([nodes[name] for name in names], self._feed_dict(feed))
        pairs = list(zip(names, values, strict=True))
        try:
            if self.observable is not None:
                return [feed.arrange(name, v, self.observable) for name, v in pairs]
            elements = self.frozen.ntypes - self.frozen.ntypes_spin
            return [
                feed.of_elements(v, elements)
                if name == "atom_energy"
                else v.reshape(feed.shape_of(name))
                for name, v in pairs
            ]
        except (ValueError, AttributeError):
            raise ModelFileError(f"{self.origin}: the outputs have the wrong shape") from None

    def type_embedding(self) -> np.ndarray:
        """Evaluate the type embedding, ``[ntypes + 1, width]``."""
        return self._fetch([_TYPE_EMBEDDING], {})[0]

    def close(self) -> None:
        """Release the session."""
        self._session.close()

    def _check_nodes(self) -> None:
        nodes = self.frozen.graph.nodes
        needed = list(self.nodes.values())
        if self.observable is not None:
            # DeePMD-kit 1 gave tensors of atoms and no more.
            needed = [self.nodes[self.observable.atomic_name]]
        missing = [name for name in (*_INPUTS, *needed) if name not in nodes]
        if missing:
            raise ModelFileError(
                f"{self.origin}: the node '{missing[0]}' is missing; the file is not a complete "
                "model of DeePMD-kit"
            )

    def _feed_dict(self, feed: Feed) -> dict:
        values = {
            "t_coord": feed.coord.ravel(),
            "t_type": feed.atype.ravel(),
            "t_natoms": feed.natoms,
            "t_box": feed.box,
            "t_mesh": feed.mesh,
        }
        for name in ("fparam", "aparam"):
            value = getattr(feed, name)
            if value is not None:
                values[f"t_{name}"] = value.ravel()
        feeds = {}
        if self.distance_width:
            arrays = distance_feeds(feed.distance, self.distance_width, self.frozen.ntypes)
            feeds = {self._tensor(name): array for name, array in arrays.items()}
        for name, value in values.items():
            tensor = self._tensor(name)
            if tensor.shape.rank != 2:  # only t_box is ever declared with two axes
                value = value.ravel()
            feeds[tensor] = value.astype(tensor.dtype.as_numpy_dtype)
        return feeds

    def _fetch(self, names: list[str], feeds: dict) -> list[np.ndarray]:
        tensors = [_as_computed(self._tensor(name)) for name in names]
        try:
            return self._session.run(tensors, feeds)
        except (ValueError, TypeError) as error:
            raise ModelFileError(f"{self.origin}: the graph cannot be run: {error}") from None

    def _tensor(self, name: str) -> tf.Tensor:
        try:
            return self._graph.get_tensor_by_name(f"{name}:0")
        except (KeyError, ValueError):
            raise ModelFileError(f"{self.origin}: the graph has no output '{name}'") from None


def _as_computed(tensor: tf.Tensor) -> tf.Tensor:
    """An output in the precision that it is computed in, which is less to copy."""
    source = tensor
    while source.op.type == "Identity":
        source = source.op.inputs[0]
    if source.op.type == "Cast" and (source.op.inputs[0].dtype, source.dtype) == _WIDENED:
        return source.op.inputs[0]
    return tensor


def has_ops(frozen: FrozenModel) -> bool:
    """Whether the compiled operations that a graph is made of are there."""
    if frozen.graph.is_only_rebuilt:
        return False
    is_fast = any(node.op in DEEPATTN_OPS for node in frozen.graph.nodes.values())
    return ops.library() is not None and (not is_fast or ops.fast_library() is not None)


def session_config() -> tf.compat.v1.ConfigProto:
    """The settings of a session, with the numbers of threads that the environment asks for."""
    config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    config.gpu_options.allow_growth = True
    for pool in ("intra", "inter"):
        text = os.environ.get(f"DP_{pool.upper()}_OP_PARALLELISM_THREADS", "0")
        number = limits.whole_number(text)
        if number is None:
            raise ValueError(f"DP_{pool.upper()}_OP_PARALLELISM_THREADS is {text!r}, not a number")
        setattr(config, f"{pool}_op_parallelism_threads", number)
    return config


def reason(error: Exception) -> str:
    """Give the one line of a TensorFlow error that says what happened."""
    lines = [x.strip() for x in str(getattr(error, "message", "") or error).splitlines()]
    lines = [x for x in lines if x] or [type(error).__name__]
    # Errors of a running graph begin with where the node was made, which means nothing here.
    nodes = [i for i, line in enumerate(lines[:-1]) if line.startswith("Node: ")]
    return lines[nodes[-1] + 1] if nodes else lines[0]
