"""The base of all fittings."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig
from deepattn.layers.descriptor import Descriptor

if TYPE_CHECKING:
    from typing_extensions import Self


class Fitting(keras.layers.Layer, abc.ABC):
    """From a descriptor to a quantity of each atom.

    A fitting of your own is a subclass with `from_section`, ``call`` and `named_variables`, and a
    `deepattn.config.FittingConfig` that names it (docs/extending.md).

    Class attributes:
        graph_type: Kind of the model in frozen graphs; None where DeePMD-kit has no such graphs.

    Attributes:
        numb_fparam: Number of frame parameters.
        default_fparam: Those of frames without any; None where they must be given.
        numb_aparam: Number of atomic parameters.
        aparam_is_mask: Whether the atomic parameter tells which atoms are there, ghosts included.
        input_width: Width of the input of the nets.

    Call arguments:
        descriptor: ``[nframes, nloc, descriptor_width]``.
        atype: int32 ``[nframes, nloc]``, negative for virtual atoms.
        type_embedding: ``[ntypes + 1, tebd_dim]``, or ``None``.
        fparam: ``[nframes, numb_fparam]``, or ``None``.
        aparam: ``[nframes, nloc, numb_aparam]``, or ``None``.
        vectors: ``[nframes, nloc, equivariant_width, 3]``, rows that turn with the frame; only
            given to fittings of tensors.

    Output shape: ``[nframes, nloc]`` of an energy, else ``[nframes, nloc, width]``; atoms of
    negative type have 0.
    """

    graph_type: ClassVar[str | None] = None
    numb_fparam: int = 0
    default_fparam: tuple[float, ...] | None = None
    numb_aparam: int = 0
    aparam_is_mask: bool = False

    @classmethod
    @abc.abstractmethod
    def from_section(
        cls,
        section: Any,
        model: ModelConfig,
        *,
        descriptor: Descriptor,
        tebd_dim: int,
        interface_dtype: str,
        sibling: Self | None = None,
    ) -> Self:
        """Build the layer that a section of an input describes.

        Args:
            section: The typed ``fitting_net`` section.
            model: The ``model`` section that it belongs to.
            descriptor: The layer whose result is fitted.
            tebd_dim: Width of the type vector that is appended to the descriptor; 0 for none.
            interface_dtype: Precision of the result.
            sibling: A fitting of another model whose nets are shared, in multi-task trainings.
        """

    @property
    @abc.abstractmethod
    def input_width(self) -> int:
        """Width of the input of the nets."""

    @abc.abstractmethod
    def call(
        self,
        descriptor: tf.Tensor,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None = None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The quantity of each atom."""

    def last_layer(
        self,
        descriptor: tf.Tensor,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None = None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> tf.Tensor | None:
        """Output of the last hidden layer, which the quantity is a linear function of.

        Args:
            descriptor, atype, type_embedding, fparam, aparam: As of a call.

        Returns:
            ``[nframes, nloc, width]``, zero for atoms of negative type; None where there is no such
            layer.
        """
        return None

    def described(
        self, descriptor: tf.Tensor, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The descriptor with the type vector of the center, where the quantity depends on it.

        Args:
            descriptor, atype, type_embedding: As of a call.

        Returns:
            ``[nframes, nloc, width]``.
        """
        return descriptor

    def fitting_nets(
        self,
        type_embedding: tf.Tensor | None,
        fparam: tf.Tensor | None,
        aparam: tf.Tensor | None,
    ) -> tuple[ops.FittingNets, tf.Tensor] | None:
        """The nets as `deepattn.ops.tabulated_potential` takes them; None where it does not.

        Args:
            type_embedding, fparam, aparam: As of a call.

        Returns:
            The nets, and what is added to their output for each type, ``[ntypes]``.
        """
        return None

    def label_units(self) -> tuple[tf.Tensor, tf.Tensor] | None:
        """Mean and spread of labels that losses refer errors to, each ``[width]``, or None."""
        return None

    def graph_attributes(self) -> dict[str, Any]:
        """Constants of a frozen graph that describe the fitting to its readers, by name."""
        attributes: dict[str, Any] = {
            "fitting_attr/dfparam": np.int32(self.numb_fparam),
            "fitting_attr/daparam": np.int32(self.numb_aparam),
        }
        if self.numb_aparam:
            attributes["fitting_attr/aparam_nall"] = np.bool_(self.aparam_is_mask)
        return attributes

    @abc.abstractmethod
    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights by the names that files have for them; of its own, ``fitting_attr/own/…``."""
