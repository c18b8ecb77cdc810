"""Atomic energies from descriptors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig, network_dtype
from deepattn.fittings.ener.config import EnerFittingConfig
from deepattn.fittings.ener.fitting_nets import fitting_nets
from deepattn.formats.weight_names import BIAS, CASE
from deepattn.layers.by_type import by_type
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.environment import real_types
from deepattn.layers.fitting import Fitting
from deepattn.layers.fitting_net import FittingNet

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class EnergyFitting(Fitting):
    """Energy of each atom: a fitting net of its descriptor plus a bias of its type.

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
        numb_aparam: Number of atomic parameters.
        dim_case_embd: Width of a vector, the same for all atoms of a model, that is appended to
            the input, so that a net shared by several models can distinguish them.
        sibling: A built fitting of another model whose nets and parameter statistics this one
            shares; bias and case vector are its own.
        subtract_vacuum: Whether the net's value for a descriptor of zeros is subtracted. An
            isolated atom then has exactly the energy of its type's bias if its descriptor is zero:
            in DPA-1 and DeepPot-SE with ``set_davg_zero``.
        common: Whether the details are those of DeePMD-kit's backends other than TensorFlow: all
            residual connections that widths allow, and the type's vector is part of the descriptor
            of zeros.
        trainable_layers: Which layers are trained; see `FittingNet`.
        seed: Seed of the weights.
        interface_dtype: Precision of descriptors, biases and result; ``dtype`` is the net's.

    Call arguments:
        descriptor: ``[nframes, nloc, descriptor_width]``.
        atype: int32 ``[nframes, nloc]``; atoms of negative type have no energy.
        type_embedding: ``[ntypes + 1, tebd_dim]``, or ``None``.
        fparam: ``[nframes, numb_fparam]``, or ``None``.
        aparam: ``[nframes, nloc, numb_aparam]``, or ``None``.

    Output shape: ``[nframes, nloc]``, eV.
    """

    output = "ener"

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
        numb_aparam: int = 0,
        dim_case_embd: int = 0,
        sibling: EnergyFitting | None = None,
        subtract_vacuum: bool = False,
        common: bool = False,
        trainable_layers: Sequence[bool] | None = None,
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
        self.numb_aparam = numb_aparam
        self.dim_case_embd = dim_case_embd
        self.subtract_vacuum = subtract_vacuum
        self.common = common
        self.trainable_layers = trainable_layers
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
        section: EnerFittingConfig,
        model: ModelConfig,
        *,
        descriptor: Descriptor,
        tebd_dim: int,
        interface_dtype: str,
        sibling: Self | None = None,
    ) -> Self:
        trainable = section.trainable
        by_layer = None if isinstance(trainable, bool) else trainable
        return cls(
            model.ntypes,
            descriptor.width,
            tebd_dim=tebd_dim,
            shared=model.descriptor.contains_types,
            neuron=section.neuron,
            activation=section.activation_function,
            resnet_dt=section.resnet_dt,
            numb_fparam=section.numb_fparam,
            numb_aparam=section.numb_aparam,
            dim_case_embd=section.dim_case_embd,
            sibling=sibling,
            subtract_vacuum=bool(section.atom_ener),
            common=model.is_common,
            trainable_layers=by_layer,
            seed=section.seed,
            interface_dtype=interface_dtype,
            dtype=network_dtype(section.precision, interface_dtype),
            trainable=trainable if isinstance(trainable, bool) else True,
            name="fitting",
        )

    @property
    def input_width(self) -> int:
        """Width of the input of the nets."""
        extras = self.tebd_dim + self.numb_fparam + self.numb_aparam + self.dim_case_embd
        return self.descriptor_width + extras

    def build(self, *_: object) -> None:
        self.bias_atom_e = self._constant("bias_atom_e", self.ntypes, "zeros")
        if self.dim_case_embd:
            self.case_embd = self._constant("case_embd", self.dim_case_embd, "zeros")
        if self.parameter_statistics is not None:
            return
        for net in self.nets:
            net.build()
        self.parameter_statistics = {
            f"{kind}_{statistic}": self._constant(f"{kind}_{statistic}", width, value)
            for kind, width in (("fparam", self.numb_fparam), ("aparam", self.numb_aparam))
            if width
            for statistic, value in (("avg", "zeros"), ("istd", "ones"))
        }

    def call(
        self,
        descriptor: tf.Tensor,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None = None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> tf.Tensor:
        extras = self._extras(atype, type_embedding, fparam, aparam)
        rows = tf.reshape(descriptor, [-1, self.descriptor_width])
        energy = self._evaluate(rows, extras, atype)
        if self.subtract_vacuum:
            energy -= self._vacuum(tf.zeros_like(rows), extras, atype)
        bias = tf.gather(tf.convert_to_tensor(self.bias_atom_e), real_types(atype, self.ntypes))
        energy = tf.reshape(energy + bias, tf.shape(atype))
        return tf.where(atype >= 0, energy, tf.zeros_like(energy))

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

    def fitting_nets(
        self,
        type_embedding: tf.Tensor | None,
        fparam: tf.Tensor | None,
        aparam: tf.Tensor | None,
    ) -> tuple[ops.FittingNets, tf.Tensor] | None:
        return fitting_nets(self, type_embedding, fparam, aparam)

    def vacuum_energies(self, type_embedding: tf.Tensor | None) -> tf.Tensor:
        """The energy that is subtracted for each type, without parameters, ``[ntypes]``, eV."""
        if not self.subtract_vacuum:
            return tf.zeros([self.ntypes], self.interface_dtype)
        types = tf.range(self.ntypes)[tf.newaxis]
        rows = tf.zeros([self.ntypes, self.descriptor_width], self.interface_dtype)
        return self._vacuum(rows, self._extras(types, type_embedding, None, None), types)

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
        for k, net in enumerate(self.nets):
            variables.update(net.named_variables("" if self.shared else f"_type_{k}"))
        variables[BIAS] = self.bias_atom_e
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
            "numb_aparam": self.numb_aparam,
            "dim_case_embd": self.dim_case_embd,
            "sibling": self._sibling,
            "subtract_vacuum": self.subtract_vacuum,
            "common": self.common,
            "trainable_layers": self.trainable_layers,
            "seed": self.seed,
            "interface_dtype": self.interface_dtype,
        }

    @classmethod
    def from_config(cls, config: dict) -> EnergyFitting:
        """A fitting of this configuration; one with a sibling shares the nets of a new sibling."""
        config = dict(config)
        if config.get("sibling") is not None:
            sibling = keras.saving.deserialize_keras_object(config["sibling"])
            if not sibling.built:
                sibling.build()
            config["sibling"] = sibling
        return super().from_config(config)

    def _make_nets(self) -> list[FittingNet]:
        return [
            FittingNet(
                self.input_width,
                self.neuron,
                self.activation,
                resnet_dt=self.resnet_dt,
                every_residual=self.common,
                trainable_layers=self.trainable_layers,
                seed=None if self.seed is None else self.seed + 3 * (len(self.neuron) + 1) * k,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name="net" if self.shared else f"net_{k}",
            )
            for k in range(1 if self.shared else self.ntypes)
        ]

    def _constant(self, name: str, width: int, initializer: str) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(width,),
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
        if self.numb_aparam:
            rows = tf.reshape(aparam, [-1, self.numb_aparam])
            extras.append(self.standardize("aparam", rows))
        if self.dim_case_embd:
            case = tf.convert_to_tensor(self.case_embd)[tf.newaxis]
            extras.append(tf.tile(case, [tf.size(atype), 1]))
        return [tf.cast(extra, self.compute_dtype) for extra in extras]

    def _vacuum(self, rows: tf.Tensor, extras: Sequence[tf.Tensor], atype: tf.Tensor) -> tf.Tensor:
        """Output of the nets for descriptors of zeros, ``rows``."""
        if self.common and self.tebd_dim:
            extras = [tf.zeros_like(extras[0]), *extras[1:]]
        return self._evaluate(rows, extras, atype)

    def _evaluate(
        self, rows: tf.Tensor, extras: Sequence[tf.Tensor], atype: tf.Tensor
    ) -> tf.Tensor:
        """Output of the nets in the interface precision, ``[nframes * nloc]``."""
        return self._through(FittingNet.__call__, rows, extras, atype, width=1)[:, 0]

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
        features = tf.concat([tf.cast(rows, self.compute_dtype), *extras], axis=1)
        if self.shared:
            values = part(self.nets[0], features)
        else:
            values = by_type(
                tf.reshape(atype, [-1]),
                self.ntypes,
                lambda t, index: part(self.nets[t], tf.gather(features, index)),
                width=width,
            )
        return tf.cast(values, self.interface_dtype)
