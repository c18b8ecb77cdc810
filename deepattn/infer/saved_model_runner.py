"""Running the functions of a SavedModel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from deepattn.errors import ModelFileError
from deepattn.formats.mesh import MESH_HEAD
from deepattn.formats.saved_model import CALL, CALL_LOWER, SavedModel
from deepattn.infer.feeds import Feed
from deepattn.infer.graph_runner import reason, session_config

# The results of the functions, in the order in which TensorFlow flattens their names.
_RESULTS = ("atom_energy", "atom_virial", "virial", "force", "energy", "mask")


class SavedModelRunner:
    """The counterpart of ``GraphRunner`` for a SavedModel.

    Args:
        saved: The SavedModel, whose operations have been checked.

    Raises:
        ModelFileError: If TensorFlow does not accept its functions.
    """

    needs_uniform_frames = False
    distance_width = 0

    def __init__(self, saved: SavedModel) -> None:
        self.saved = saved
        self._graph = tf.Graph()
        self._inputs: dict[str, list[tf.Tensor]] = {}
        self._results: dict[str, list[tf.Tensor]] = {}
        try:
            with self._graph.as_default():
                for name in saved.entries:
                    self._import(name)
        except (ValueError, TypeError, KeyError, DecodeError, tf.errors.OpError) as error:
            raise ModelFileError(
                f"{saved.origin}: TensorFlow does not accept its functions: {reason(error)}"
            ) from None
        self._session = tf.compat.v1.Session(graph=self._graph, config=session_config())

    @property
    def sees_order(self) -> bool:
        """Whether the order of the atoms in a frame may matter."""
        return bool(self.saved.number("has_message_passing"))

    def run(self, feed: Feed, names: Sequence[str]) -> list[np.ndarray]:
        """Evaluate outputs by the names in docs/architecture.md, shaped as they are there.

        Raises:
            ModelFileError: If the functions do not give one of them, or take or give arrays of
                other shapes.
            tf.errors.OpError: If an operation fails.
        """
        if "descriptor" in names:
            self._refuse("descriptors")
        values = self._evaluate(feed)
        try:
            return [values[name].reshape(feed.shape_of(name)) for name in names]
        except (KeyError, ValueError):
            raise ModelFileError(f"{self.saved.origin}: the results have the wrong shape") from None

    def type_embedding(self) -> np.ndarray:
        """Refuse: a SavedModel has no function for it."""
        self._refuse("the type embedding")

    def close(self) -> None:
        """Release the session."""
        self._session.close()

    def _refuse(self, what: str) -> NoReturn:
        raise ModelFileError(
            f"{self.saved.origin}: is a SavedModel, which does not give {what}; use the checkpoint "
            "or the .dp file that it was made from"
        )

    def _import(self, name: str) -> None:
        """Put placeholders and a call of a function into the graph."""
        message = self.saved.library()
        function = self.saved.entries[name]
        signature = self.saved.functions[function].signature
        call = message.node.add(name=name, op=function)
        for argument in signature.input_arg:
            placeholder = message.node.add(name=f"{name}_{argument.name}", op="Placeholder")
            placeholder.attr["dtype"].type = argument.type
            call.input.append(placeholder.name)
        graph = tf.compat.v1.GraphDef.FromString(message.SerializeToString())
        tf.import_graph_def(graph, name="")
        operation = self._graph.get_operation_by_name(name)
        self._inputs[name] = list(operation.inputs)
        self._results[name] = list(operation.outputs)

    def _evaluate(self, feed: Feed) -> Mapping[str, np.ndarray]:
        nframes = len(feed.coord)
        fparam = np.zeros((nframes, 0)) if feed.fparam is None else feed.fparam
        aparam = np.zeros((nframes, feed.natoms[0], 0)) if feed.aparam is None else feed.aparam
        if len(feed.mesh) > MESH_HEAD:
            name = CALL_LOWER
            lists = [_lists(feed)[np.newaxis], feed.owner[np.newaxis]]
            values = [feed.coord, feed.atype, *lists, fparam, aparam]
        else:
            name = CALL
            box = feed.box.reshape(-1, 3, 3) if feed.periodic else np.zeros((0, 0, 0))
            values = [feed.coord, feed.atype, box, fparam, aparam]
        tensors = self._inputs.get(name, [])
        results = self._results.get(name, [])
        if len(tensors) != len(values) or len(results) != len(_RESULTS):
            raise ModelFileError(
                f"{self.saved.origin}: its function {name} has other arguments or results than "
                "those of DeePMD-kit"
            )
        feeds = {
            tensor: value.astype(tensor.dtype.as_numpy_dtype)
            for tensor, value in zip(tensors, values, strict=True)
        }
        try:
            found = self._session.run(results, feeds)
        except (ValueError, TypeError) as error:
            raise ModelFileError(f"{self.saved.origin}: cannot be run: {error}") from None
        return dict(zip(_RESULTS, found, strict=True))


def _lists(feed: Feed) -> np.ndarray:
    """The neighbors of each atom ``[nloc, n]``, −1 where there are fewer."""
    nloc = feed.natoms[0]
    counts = feed.mesh[MESH_HEAD + nloc : MESH_HEAD + 2 * nloc]
    lists = np.full((nloc, max(counts.max(initial=0), 1)), -1, np.int64)
    lists[np.arange(lists.shape[1]) < counts[:, np.newaxis]] = feed.mesh[MESH_HEAD + 2 * nloc :]
    return lists
