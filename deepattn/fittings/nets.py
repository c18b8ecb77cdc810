"""The base of fittings by nets: their inputs, one net for all types or one for each."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn.config import FittingConfig, ModelConfig, network_dtype
from deepattn.formats.weight_names import CASE
from deepattn.layers.by_type import by_type
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.environment import real_types
from deepattn.layers.fitting import Fitting
from deepattn.layers.fitting_net import FittingNet

if TYPE_CHECKING:
    from typing_extensions import Self


class NetFitting(Fitting, abc.ABC):
    """A fitting whose nets take the descriptor, parameters and the type's vector.

    With a type embedding one net serves all types and takes the type's vector in addition to the
    descriptor; without one every type has a net, unless the descriptor distinguishes types itself.

    Args:
        ntypes: Number of types.
        descriptor_width: Width of the descriptor.
        tebd_dim: Width of the type embedding; 0 when there is none.
        shared: Whether one net serves all types without a type embedding too.
        neuron: Widths of the hidden layers.
        activation: Name of the activation.
        resnet_dt: Whether residual layers have a trainable time step.
        numb_fparam: Number of frame parameters.
        default_fparam: Those of frames without any; None where they must be given.
        numb_aparam: Number of atomic parameters.
        aparam_is_mask: Whether the atomic parameter is a mask, which the nets do not take.
        dim_case_embd: Width of a vector, the same for all atoms of a model, that is appended to
            the input, so that a net shared by several models can distinguish them.
        sibling: A built fitting of another model whose nets and parameter statistics this one
            shares; bias and case vector are its own.
        common: Whether the details are those of DeePMD-kit's backends other than TensorFlow, such
            as all residual connections that widths allow.
        trainable_layers: Which layers are trained; see `FittingNet`.
        layer_names: Names of layers; see `FittingNet`.
        seed: Seed of the weights.
        interface_dtype: Precision of descriptors, biases and result; ``dtype`` is the net's.
    """

    def __init__(
        self,
        ntypes: int,
        descriptor_width: int,
        *,
        tebd_dim: int = 0,
        shared: bool = False,
        neuron: Sequence[int] = (240, 240, 240),
        activation: str = "tanh",
        resnet_dt: bool = True,
        numb_fparam: int = 0,
        default_fparam: Sequence[float] | None = None,
        numb_aparam: int = 0,
        aparam_is_mask: bool = False,
        dim_case_embd: int = 0,
        sibling: NetFitting | None = None,
        common: bool = False,
        trainable_layers: Sequence[bool] | None = None,
        layer_names: Sequence[str | None] | None = None,
        seed: int | None = None,
        interface_dtype: str = "float64",
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.ntypes = ntypes
        self.descriptor_width = descriptor_width
        self.tebd_dim = tebd_dim
        self.shared = shared or tebd_dim > 0
        self.neuron = tuple(neuron)
        self.activation = activation
        self.resnet_dt = resnet_dt
        self.numb_fparam = numb_fparam
        self.default_fparam = None if default_fparam is None else tuple(default_fparam)
        self.numb_aparam = numb_aparam
        self.aparam_is_mask = aparam_is_mask
        self.dim_case_embd = dim_case_embd
        self.common = common
        self.trainable_layers = trainable_layers
        self.layer_names = None if layer_names is None else list(layer_names)
        self.seed = seed
        self.interface_dtype = interface_dtype
        # The sibling itself is not a part of this layer, which would own its weights then.
        self._sibling = None if sibling is None else keras.saving.serialize_keras_object(sibling)
        self.parameter_statistics: dict[str, keras.Variable] | None = (
            None if sibling is None else sibling.parameter_statistics
        )
        self.nets: list[FittingNet] = self._make_nets() if sibling is None else sibling.nets

    @classmethod
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
        return cls(
            model.ntypes,
            descriptor.width,
            sibling=sibling,
            **cls.own_arguments(section, model, descriptor),
            **net_arguments(section, model, tebd_dim=tebd_dim, interface_dtype=interface_dtype),
        )

    @classmethod
    def own_arguments(
        cls, section: Any, model: ModelConfig, descriptor: Descriptor
    ) -> dict[str, Any]:
        """Further arguments of a subclass from the keys of its section.

        Args:
            section, model, descriptor: As for `from_section`.
        """
        return {}

    @property
    def output_width(self) -> int:
        """Width of the output of the nets."""
        return 1

    @property
    def net_aparam(self) -> int:
        """Number of atomic parameters that the nets take."""
        return 0 if self.aparam_is_mask else self.numb_aparam

    @property
    def fitted_types(self) -> Sequence[int]:
        """The types that have nets, where one does not serve all."""
        return range(self.ntypes)

    @property
    def input_width(self) -> int:
        """Width of the input of the nets."""
        extras = self.tebd_dim + self.numb_fparam + self.net_aparam + self.dim_case_embd
        return self.descriptor_width + extras

    def build(self, *_: object) -> None:
        if self.dim_case_embd:
            self.case_embd = self._constant("case_embd", (self.dim_case_embd,))
        if self.parameter_statistics is not None:
            return
        for net in self.nets:
            net.build()
        self.parameter_statistics = {
            f"{kind}_{statistic}": self._constant(f"{kind}_{statistic}", (width,), value)
            for kind, width in (("fparam", self.numb_fparam), ("aparam", self.net_aparam))
            if width
            for statistic, value in (("avg", "zeros"), ("istd", "ones"))
        }

    def last_layer(
        self,
        descriptor: tf.Tensor,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None = None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> tf.Tensor:
        extras = self._extras(atype, type_embedding, fparam, aparam)
        rows = tf.reshape(descriptor, [-1, self.descriptor_width])
        hidden = self._through(FittingNet.hidden, rows, extras, atype, width=self.neuron[-1])
        hidden = tf.where(tf.reshape(atype >= 0, [-1, 1]), hidden, tf.zeros_like(hidden))
        return tf.reshape(hidden, [*tf.unstack(tf.shape(atype)), self.neuron[-1]])

    def described(
        self, descriptor: tf.Tensor, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> tf.Tensor:
        if not self.tebd_dim:
            return descriptor
        vectors = tf.gather(type_embedding, real_types(atype, self.ntypes))
        rows = tf.reshape(vectors, [*tf.unstack(tf.shape(atype)), self.tebd_dim])
        return tf.concat([descriptor, tf.cast(rows, descriptor.dtype)], axis=2)

    def standardize(self, kind: str, values: tf.Tensor | None) -> tf.Tensor:
        """Frame or atomic parameters of unit variance.

        Args:
            kind: ``"fparam"`` or ``"aparam"``.
            values: ``[..., width]``.
        """
        if values is None:
            raise ValueError(f"{kind} must be given: the model was made with numb_{kind} > 0")
        statistics = self.parameter_statistics or {}
        average = tf.convert_to_tensor(statistics[f"{kind}_avg"])
        inverse = tf.convert_to_tensor(statistics[f"{kind}_istd"])
        return (values - average) * inverse

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights, biases and parameter statistics under DeePMD's names."""
        variables = {}
        suffixes = [""] if self.shared else [f"_type_{kind}" for kind in self.fitted_types]
        for suffix, net in zip(suffixes, self.nets, strict=True):
            variables.update(net.named_variables(suffix))
        if self.dim_case_embd:
            variables[CASE] = self.case_embd
        for name, variable in (self.parameter_statistics or {}).items():
            variables[f"fitting_attr/t_{name}"] = variable
        return variables

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "ntypes": self.ntypes,
            "descriptor_width": self.descriptor_width,
            "tebd_dim": self.tebd_dim,
            "shared": self.shared,
            "neuron": list(self.neuron),
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "numb_fparam": self.numb_fparam,
            "default_fparam": None if self.default_fparam is None else list(self.default_fparam),
            "numb_aparam": self.numb_aparam,
            "aparam_is_mask": self.aparam_is_mask,
            "dim_case_embd": self.dim_case_embd,
            "sibling": self._sibling,
            "common": self.common,
            "trainable_layers": self.trainable_layers,
            "layer_names": self.layer_names,
            "seed": self.seed,
            "interface_dtype": self.interface_dtype,
        }

    @classmethod
    def from_config(cls, config: dict) -> Self:
        """A fitting of this configuration; one with a sibling shares the nets of a new sibling."""
        config = dict(config)
        if config.get("sibling") is not None:
            sibling = keras.saving.deserialize_keras_object(config["sibling"])
            if not sibling.built:
                sibling.build()
            config["sibling"] = sibling
        return super().from_config(config)

    def _make_nets(self) -> list[FittingNet]:
        layers = len(self.neuron) + 1
        return [
            FittingNet(
                self.input_width,
                self.neuron,
                self.activation,
                resnet_dt=self.resnet_dt,
                every_residual=self.common,
                trainable_layers=self.trainable_layers,
                layer_names=self.layer_names,
                output_width=self.output_width,
                seed=None if self.seed is None else self.seed + 3 * layers * place,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name="net" if self.shared else f"net_{kind}",
            )
            for place, kind in enumerate([0] if self.shared else self.fitted_types)
        ]

    def _constant(
        self, name: str, shape: tuple[int, ...], initializer: Any = "zeros"
    ) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype=self.interface_dtype,
            trainable=False,
            autocast=False,
        )

    def _extras(
        self,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None,
        fparam: tf.Tensor | None,
        aparam: tf.Tensor | None,
    ) -> list[tf.Tensor]:
        """Further inputs of the net besides the descriptor, each ``[nframes * nloc, width]``."""
        extras = []
        if self.tebd_dim:
            extras.append(tf.gather(type_embedding, real_types(atype, self.ntypes)))
        if self.numb_fparam:
            tiled = tf.repeat(self.standardize("fparam", fparam), tf.shape(atype)[1], axis=0)
            extras.append(tf.reshape(tiled, [-1, self.numb_fparam]))
        if self.net_aparam:
            rows = tf.reshape(aparam, [-1, self.net_aparam])
            extras.append(self.standardize("aparam", rows))
        if self.dim_case_embd:
            case = tf.convert_to_tensor(self.case_embd)[tf.newaxis]
            extras.append(tf.tile(case, [tf.size(atype), 1]))
        return [tf.cast(extra, self.compute_dtype) for extra in extras]

    def _net_values(
        self,
        descriptor: tf.Tensor,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None,
        fparam: tf.Tensor | None,
        aparam: tf.Tensor | None,
    ) -> tf.Tensor:
        """Output of the nets in their precision, ``[nframes * nloc, output_width]``."""
        extras = self._extras(atype, type_embedding, fparam, aparam)
        rows = tf.reshape(descriptor, [-1, self.descriptor_width])
        return self._raw(FittingNet.__call__, rows, extras, atype, width=self.output_width)

    def _by_atom(self, values: tf.Tensor, atype: tf.Tensor) -> tf.Tensor:
        """Rows of atoms as ``[nframes, nloc, width]``, zero for virtual atoms."""
        shape = tf.concat([tf.shape(atype), [values.shape[-1]]], axis=0)
        values = tf.reshape(values, shape)
        return tf.where((atype >= 0)[:, :, tf.newaxis], values, tf.zeros_like(values))

    def _through(
        self,
        part: Callable[[FittingNet, tf.Tensor], tf.Tensor],
        rows: tf.Tensor,
        extras: Sequence[tf.Tensor],
        atype: tf.Tensor,
        *,
        width: int,
    ) -> tf.Tensor:
        """What a part of the nets makes of the atoms, ``[nframes * nloc, width]``."""
        return tf.cast(self._raw(part, rows, extras, atype, width=width), self.interface_dtype)

    def _raw(
        self,
        part: Callable[[FittingNet, tf.Tensor], tf.Tensor],
        rows: tf.Tensor,
        extras: Sequence[tf.Tensor],
        atype: tf.Tensor,
        *,
        width: int,
    ) -> tf.Tensor:
        """The same in the precision of the nets."""
        features = tf.concat([tf.cast(rows, self.compute_dtype), *extras], axis=1)
        if self.shared:
            return part(self.nets[0], features)
        nets = dict(zip(self.fitted_types, self.nets, strict=True))

        def of_type(kind: int, index: tf.Tensor) -> tf.Tensor:
            if kind not in nets:
                return tf.zeros([tf.size(index), width], features.dtype)
            return part(nets[kind], tf.gather(features, index))

        return by_type(tf.reshape(atype, [-1]), self.ntypes, of_type, width=width)


def net_arguments(
    section: FittingConfig, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
) -> dict[str, Any]:
    """Arguments of `NetFitting` from the keys of a section.

    Args:
        section: The section.
        model: The model section that it belongs to.
        tebd_dim: Width of the type vector that is appended to the descriptor; 0 for none.
        interface_dtype: Precision of the result.
    """
    trainable = section.trainable
    return {
        "tebd_dim": tebd_dim,
        "shared": model.descriptor.contains_types,
        "neuron": section.neuron,
        "activation": section.activation_function,
        "resnet_dt": section.resnet_dt,
        "numb_fparam": section.numb_fparam,
        "default_fparam": section.default_fparam,
        "numb_aparam": section.numb_aparam,
        "aparam_is_mask": section.masks_atoms,
        "dim_case_embd": section.dim_case_embd,
        "common": model.is_common,
        "trainable_layers": None if isinstance(trainable, bool) else trainable,
        "layer_names": section.names_of_layers,
        "seed": section.seed,
        "interface_dtype": interface_dtype,
        "dtype": network_dtype(section.precision, interface_dtype),
        "trainable": trainable if isinstance(trainable, bool) else True,
        "name": "fitting",
    }
