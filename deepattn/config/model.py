"""Typed ``model`` section: descriptor, fitting net, type embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.section import Section


@dataclass(frozen=True)
class TypeEmbeddingConfig(Section):
    """Vectors that stand for the elements."""

    neuron: tuple[int, ...]
    activation_function: str
    resnet_dt: bool
    precision: str
    trainable: bool
    seed: int | None
    use_econf_tebd: bool
    use_tebd_bias: bool


@dataclass(frozen=True)
class SeE2AConfig(Section):
    """DeepPot-SE, the descriptor without attention; ``sel`` counts neighbors by type."""

    type: str
    sel: tuple[int, ...] | str
    rcut: float
    rcut_smth: float
    neuron: tuple[int, ...]
    axis_neuron: int
    activation_function: str
    resnet_dt: bool
    type_one_side: bool
    precision: str
    trainable: bool
    seed: int | None
    exclude_types: tuple[tuple[int, int], ...]
    set_davg_zero: bool


@dataclass(frozen=True)
class SeAttenConfig(Section):
    """DPA-1; ``sel`` counts all neighbors together.

    ``se_atten_v2`` has ``tebd_input_mode`` strip and ``smooth_type_embedding`` true; its input
    section has no such keys.
    """

    type: str
    sel: int | str
    rcut: float
    rcut_smth: float
    neuron: tuple[int, ...]
    axis_neuron: int
    activation_function: str
    resnet_dt: bool
    type_one_side: bool
    precision: str
    trainable: bool
    seed: int | None
    exclude_types: tuple[tuple[int, int], ...]
    set_davg_zero: bool
    attn: int
    attn_layer: int
    attn_dotr: bool
    attn_mask: bool
    tebd_input_mode: str
    smooth_type_embedding: bool
    trainable_ln: bool
    ln_eps: float
    temperature: float | None = None

    @classmethod
    def from_dict(cls, section: Mapping[str, Any]) -> SeAttenConfig:
        """Build from a normalized section of se_atten or se_atten_v2."""
        if section["type"] == "se_atten_v2":
            section = {**section, "tebd_input_mode": "strip", "smooth_type_embedding": True}
        return super().from_dict(section)

    def _left_out(self) -> set[str]:
        implied = {"tebd_input_mode", "smooth_type_embedding"}
        return super()._left_out() | (implied if self.type == "se_atten_v2" else set())


@dataclass(frozen=True)
class RepInitConfig(Section):
    """The block of DPA-2 that starts features of atoms; its list of neighbors is the longest."""

    rcut: float
    rcut_smth: float
    nsel: int | str
    neuron: tuple[int, ...]
    axis_neuron: int
    tebd_dim: int
    tebd_input_mode: str
    set_davg_zero: bool
    activation_function: str
    resnet_dt: bool
    type_one_side: bool
    use_three_body: bool
    three_body_neuron: tuple[int, ...]
    three_body_sel: int | str
    three_body_rcut: float
    three_body_rcut_smth: float


@dataclass(frozen=True)
class RepformerConfig(Section):
    """The layers of DPA-2 that pass messages."""

    rcut: float
    rcut_smth: float
    nsel: int | str
    nlayers: int
    g1_dim: int
    g2_dim: int
    axis_neuron: int
    direct_dist: bool
    update_g1_has_conv: bool
    update_g1_has_drrd: bool
    update_g1_has_grrg: bool
    update_g1_has_attn: bool
    update_g2_has_g1g1: bool
    update_g2_has_attn: bool
    update_h2: bool
    attn1_hidden: int
    attn1_nhead: int
    attn2_hidden: int
    attn2_nhead: int
    attn2_has_gate: bool
    activation_function: str
    update_style: str
    update_residual: float
    update_residual_init: str
    set_davg_zero: bool
    trainable_ln: bool
    use_sqrt_nnei: bool
    g1_out_conv: bool
    g1_out_mlp: bool
    ln_eps: float


@dataclass(frozen=True)
class Dpa2Config(Section):
    """DPA-2."""

    type: str
    repinit: RepInitConfig
    repformer: RepformerConfig
    concat_output_tebd: bool
    precision: str
    smooth: bool
    exclude_types: tuple[tuple[int, int], ...]
    env_protection: float
    trainable: bool
    seed: int | None
    add_tebd_to_repinit_out: bool
    use_econf_tebd: bool
    use_tebd_bias: bool

    @classmethod
    def from_dict(cls, section: Mapping[str, Any]) -> Dpa2Config:
        """Build from a normalized section."""
        repinit = RepInitConfig.from_dict(section["repinit"])
        repformer = RepformerConfig.from_dict(section["repformer"])
        return super().from_dict({**section, "repinit": repinit, "repformer": repformer})

    @property
    def rcut(self) -> float:
        """Cutoff radius of the list of neighbors, Å."""
        return self.repinit.rcut

    @property
    def sel(self) -> int | str:
        """Number of neighbors in that list."""
        return self.repinit.nsel

    @property
    def type_embedding(self) -> TypeEmbeddingConfig:
        """The section that would describe the type embedding of another descriptor."""
        return TypeEmbeddingConfig(
            neuron=(self.repinit.tebd_dim,),
            activation_function="linear",
            resnet_dt=False,
            precision=self.precision,
            trainable=self.trainable,
            seed=self.seed,
            use_econf_tebd=self.use_econf_tebd,
            use_tebd_bias=self.use_tebd_bias,
        )


@dataclass(frozen=True)
class EnerFittingConfig(Section):
    """Fitting net of the atomic energies."""

    type: str
    numb_fparam: int
    numb_aparam: int
    neuron: tuple[int, ...]
    activation_function: str
    precision: str
    resnet_dt: bool
    trainable: bool | tuple[bool, ...]
    rcond: float | None
    seed: int | None
    atom_ener: tuple[float | None, ...]
    dim_case_embd: int = 0


DescriptorConfig = SeE2AConfig | SeAttenConfig | Dpa2Config

_DESCRIPTORS: dict[str, type[DescriptorConfig]] = {
    "se_e2_a": SeE2AConfig,
    "se_atten": SeAttenConfig,
    "se_atten_v2": SeAttenConfig,
    "dpa2": Dpa2Config,
}


@dataclass(frozen=True)
class ModelConfig(Section):
    """The network.

    ``type_map`` is empty where an se_e2_a input names no elements. ``type_embedding`` is None for
    se_e2_a without one, and for dpa2, whose descriptor section describes it. ``preset_out_bias``
    is ``{"energy": (None, -3.2)}`` or None. ``convention`` is ``common`` or None, which stands for
    DeePMD-kit's TensorFlow backend.
    """

    type: str
    type_map: tuple[str, ...]
    descriptor: DescriptorConfig
    fitting_net: EnerFittingConfig
    data_stat_nbatch: int
    data_stat_protect: float
    data_bias_nsample: int
    preset_out_bias: dict[str, tuple[float | None, ...]] | None
    type_embedding: TypeEmbeddingConfig | None = None
    convention: str | None = None

    @classmethod
    def from_dict(cls, section: Mapping[str, Any]) -> ModelConfig:
        """Build from what `normalize_model` returns."""
        parts: dict[str, Any] = {
            "descriptor": _DESCRIPTORS[section["descriptor"]["type"]].from_dict(
                section["descriptor"]
            ),
            "fitting_net": EnerFittingConfig.from_dict(section["fitting_net"]),
        }
        if "type_embedding" in section:
            parts["type_embedding"] = TypeEmbeddingConfig.from_dict(section["type_embedding"])
        return super().from_dict({"type_map": (), **section, **parts})

    @property
    def ntypes(self) -> int:
        """Number of types."""
        if self.type_map:
            return len(self.type_map)
        sel = self.descriptor.sel
        if not isinstance(sel, tuple):
            raise ValueError("a model without type_map needs a sel of one number for each type")
        return len(sel)

    @property
    def is_common(self) -> bool:
        """Whether details are those of DeePMD-kit's other backends, the only ones with DPA-2."""
        return self.convention == "common" or isinstance(self.descriptor, Dpa2Config)

    def to_dict(self) -> dict[str, Any]:
        """The normalized section; without names of elements it has no ``type_map``."""
        section = super().to_dict()
        if not self.type_map:
            del section["type_map"]
        return section


def slots_of(sel: tuple[int, ...] | int | str) -> tuple[int, ...]:
    """The numbers of neighbors in a ``sel`` that is not automatic any more."""
    if isinstance(sel, str):
        raise ValueError(f"sel must be numbers by now, not {sel!r}")
    return (sel,) if isinstance(sel, int) else sel


def network_dtype(precision: str, interface_dtype: str) -> str:
    """The dtype of weights with a ``precision`` in a model with an interface precision."""
    return interface_dtype if precision == "default" else precision
