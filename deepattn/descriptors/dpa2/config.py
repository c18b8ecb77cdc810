"""The section of a descriptor ``dpa2``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from deepattn import limits
from deepattn.config.constraints import resolve_activation
from deepattn.config.descriptions import (
    ACTIVATION,
    AXIS_NEURON,
    DAVG_ZERO,
    RCUT_SMTH,
    RESNET,
    SHIFTED,
    TEBD_INPUT_MODE,
    UNSMOOTH_ATTENTION,
    USE_ECONF_TEBD,
)
from deepattn.config.descriptor import DescriptorConfig, EnvMatSpec, Jump, NeighborList, slots_of
from deepattn.config.model import ModelConfig
from deepattn.config.ranges import one_of, positive, within
from deepattn.config.section import Section, key, required
from deepattn.config.type_embedding import TypeEmbeddingConfig
from deepattn.descriptors.dpa2.compressible import check_tables
from deepattn.descriptors.dpa2.constraints import check_dpa2

if TYPE_CHECKING:
    from typing_extensions import Self

_LN_EPS = 1e-5
_NSEL = "Largest number of neighbors, auto or auto:factor"
_WIDTH = within(1, limits.WIDTH)


@dataclass(frozen=True, kw_only=True)
class RepInitConfig(Section):
    """The block of DPA-2 that starts features of atoms; its list of neighbors is the longest."""

    rcut: float = required("Cutoff radius, Å; must be the largest of all blocks.")
    rcut_smth: float = required(RCUT_SMTH)
    nsel: int | str = required(f"{_NSEL}; must be the largest of all blocks.")
    neuron: tuple[int, ...] = key([25, 50, 100], "Widths of the embedding net.")
    axis_neuron: int = key(16, AXIS_NEURON)
    tebd_dim: int = key(8, "Width of the type embedding.", check=_WIDTH)
    tebd_input_mode: str = key("concat", TEBD_INPUT_MODE, check=one_of("concat", "strip"))
    set_davg_zero: bool = key(True, DAVG_ZERO)
    activation_function: str = key("tanh", ACTIVATION)
    resnet_dt: bool = key(False, RESNET)
    type_one_side: bool = key(False, "Whether the embedding ignores the type of the center.")
    use_three_body: bool = key(
        False,
        "Whether the first features also contain angles between neighbors (three-body block).",
    )
    three_body_neuron: tuple[int, ...] = key([2, 4, 8], "Widths of the three-body embedding net.")
    three_body_sel: int | str = key(40, f"{_NSEL} for angles.")
    three_body_rcut: float = key(4.0, "Cutoff radius of the three-body block, Å.")
    three_body_rcut_smth: float = key(0.5, "Radius where its switching function starts, Å.")


@dataclass(frozen=True, kw_only=True)
class RepformerConfig(Section):
    """The layers of DPA-2 that pass messages."""

    rcut: float = required("Cutoff radius, Å; must be smaller than that of repinit.")
    rcut_smth: float = required(RCUT_SMTH)
    nsel: int | str = required(f"{_NSEL}; must be smaller than that of repinit.")
    nlayers: int = key(3, "Number of layers.", check=within(1, limits.LAYERS))
    g1_dim: int = key(128, "Width of g1, the features of atoms.", check=_WIDTH)
    g2_dim: int = key(16, "Width of g2, the features of pairs.", check=_WIDTH)
    axis_neuron: int = key(4, "Number of columns in the first factor of the invariants.")
    direct_dist: bool = key(
        False,
        "Whether distances and vectors divided by rcut enter, without the switching function.",
    )
    update_g1_has_conv: bool = key(True, "Whether g1 gets a convolution with g2.")
    update_g1_has_drrd: bool = key(True, "Whether g1 gets invariants of the neighbors' g1.")
    update_g1_has_grrg: bool = key(True, "Whether g1 gets invariants of g2.")
    update_g1_has_attn: bool = key(True, "Whether g1 attends to the neighbors' g1.")
    update_g2_has_g1g1: bool = key(True, "Whether g2 gets a product of both atoms' g1.")
    update_g2_has_attn: bool = key(True, "Whether g2 attends to other neighbors.")
    update_h2: bool = key(False, "Whether the vectors of pairs are updated by attention.")
    attn1_hidden: int = key(64, "Width of the attention of g1.", check=_WIDTH)
    attn1_nhead: int = key(4, "Heads of the attention of g1.", check=_WIDTH)
    attn2_hidden: int = key(16, "Width of the attention of g2.", check=_WIDTH)
    attn2_nhead: int = key(4, "Heads of the attention of g2.", check=_WIDTH)
    attn2_has_gate: bool = key(False, "Whether angles also gate the logits of that attention.")
    activation_function: str = key("tanh", ACTIVATION)
    update_style: str = key(
        "res_avg",
        "How terms are added: res_avg, res_incr, or res_residual with trained weights.",
        check=one_of("res_avg", "res_incr", "res_residual"),
    )
    update_residual: float = key(0.001, "Initial size of these weights.", check=within(0))
    update_residual_init: str = key(
        "norm",
        "How they are initialized: norm, drawn with that standard deviation, or const.",
        check=one_of("norm", "const"),
    )
    set_davg_zero: bool = key(True, DAVG_ZERO)
    trainable_ln: bool = key(True, "Whether the layer normalization is trained.")
    use_sqrt_nnei: bool = key(
        True,
        "Whether moments are divided by the square root of the number of slots (if not "
        "smooth, of neighbors) instead of the number.",
    )
    g1_out_conv: bool = key(True, "Whether the convolution is a separate term.")
    g1_out_mlp: bool = key(True, "Whether a layer of g1 itself is a separate term.")
    ln_eps: float = key(
        None,
        "Epsilon of the layer normalization; null is 1e-5.",
        dtype=[float, None],
        check=positive,
    )


@dataclass(frozen=True, kw_only=True)
class Dpa2Config(DescriptorConfig):
    """DPA-2 (docs/dpa2.md)."""

    title = "DPA-2"
    paper = "Zhang et al., npj Comput. Mater. 10, 293 (2024)"
    layer = "deepattn.descriptors.dpa2.layer:DPA2"
    dpmodel = "deepattn.descriptors.dpa2.dpmodel:FORMAT"
    torch = "deepattn.descriptors.dpa2.torch:FORMAT"
    passes_messages = True
    conventions = ("common",)
    instead_of_type_embedding = (
        "set tebd_dim in model/descriptor/repinit, and use_econf_tebd and use_tebd_bias in "
        "model/descriptor"
    )
    graphs = False
    fixed_slots = True

    repinit: RepInitConfig = required("Block that computes the first features of atoms.")
    repformer: RepformerConfig = required("Layers of message passing between atoms.")
    concat_output_tebd: bool = key(True, "Whether the type embedding is part of the descriptor.")
    smooth: bool = key(True, "Whether all blocks are smooth at their cutoffs.")
    env_protection: float = key(0.0, "Added to distances before division, Å.", check=within(0))
    add_tebd_to_repinit_out: bool = key(
        False,
        "Whether a linear map of the type embedding is added to the first features.",
        alias=("repformer_add_type_ebd_to_seq",),
    )
    use_econf_tebd: bool = key(False, USE_ECONF_TEBD)
    use_tebd_bias: bool = key(False, "Whether the type embedding has a bias.")

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], *, common: bool) -> None:
        for block in (section["repinit"], section["repformer"]):
            resolve_activation(block)
        if section["repformer"]["ln_eps"] is None:
            section["repformer"]["ln_eps"] = _LN_EPS

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        check_dpa2(section, path)

    @classmethod
    def gives_vectors(cls, section: Mapping[str, Any]) -> bool:
        return True

    @classmethod
    def glance(cls, section: Mapping[str, Any]) -> tuple[Any, Any]:
        repinit = section.get("repinit")
        repinit = repinit if isinstance(repinit, dict) else {}
        return repinit.get("rcut"), repinit.get("nsel")

    def neighbor_lists(self) -> tuple[NeighborList, ...]:
        first, second = self.repinit, self.repformer
        return (
            NeighborList("repinit/nsel", first.nsel, first.rcut),
            NeighborList(
                "repinit/three_body_sel",
                first.three_body_sel,
                first.three_body_rcut,
                may_be_empty=not first.use_three_body,
            ),
            NeighborList("repformer/nsel", second.nsel, second.rcut),
        )

    @property
    def jump(self) -> Jump | None:
        if not self.smooth:
            return Jump(UNSMOOTH_ATTENTION, "smooth")
        if not self.repinit.set_davg_zero and self.repinit.tebd_input_mode != "strip":
            return Jump(SHIFTED, "set_davg_zero in repinit")
        return None

    def with_neighbors(self, numbers: Mapping[str, int | tuple[int, ...] | str]) -> Self:
        changed = self
        for path, number in numbers.items():
            block, _, name = path.partition("/")
            changed = replace(
                changed, **{block: replace(getattr(changed, block), **{name: number})}
            )
        check_dpa2(changed.to_dict(), "model/descriptor")
        return changed

    def env_mats(self) -> tuple[EnvMatSpec, ...]:
        first, second = self.repinit, self.repformer
        blocks: dict[str, tuple[RepInitConfig | RepformerConfig, float, float, int | str]] = {
            "repinit_variable": (first, first.rcut, first.rcut_smth, first.nsel),
            "repformers_variable": (second, second.rcut, second.rcut_smth, second.nsel),
        }
        if first.use_three_body:
            blocks["repinit_three_body_variable"] = (
                *(first, first.three_body_rcut, first.three_body_rcut_smth),
                first.three_body_sel,
            )
        return tuple(
            EnvMatSpec(
                davg=f"descriptor/{name}/davg",
                dstd=f"descriptor/{name}/dstd",
                rcut=rcut,
                rcut_smth=rcut_smth,
                sel=slots_of(nsel),
                set_davg_zero=block.set_davg_zero,
                protection=self.env_protection,
            )
            for name, (block, rcut, rcut_smth, nsel) in blocks.items()
        )

    @property
    def contains_types(self) -> bool:
        return True

    @property
    def type_embedding(self) -> TypeEmbeddingConfig:
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

    def idle_keys(self) -> set[str]:
        idle: set[str] = set()
        if not self.repinit.use_three_body:
            three_body = ("neuron", "sel", "rcut", "rcut_smth")
            idle |= {f"repinit/three_body_{name}" for name in three_body}
        block = self.repformer
        if not block.update_g1_has_attn:
            idle |= {f"repformer/attn1_{name}" for name in ("hidden", "nhead")}
        if not (block.update_g2_has_attn or block.update_h2):
            idle |= {f"repformer/attn2_{name}" for name in ("hidden", "nhead", "has_gate")}
        return idle

    def needs_common(self, model: ModelConfig) -> str | None:
        return "the descriptor dpa2"

    def why_not_dpmodel(self, model: ModelConfig, arrays: Mapping[str, np.ndarray]) -> str | None:
        # DeePMD-kit, which looks at repinit alone, misjudges whether there is a first transform.
        repinit, width = self.repinit, self.repformer.g1_dim
        alone = repinit.neuron[-1] * repinit.axis_neuron
        if repinit.use_three_body and width in (alone, alone + repinit.three_body_neuron[-1]):
            return (
                f"DeePMD-kit cannot load use_three_body with a g1_dim of {width} and first "
                "features of the same width"
            )
        return None

    def check_compressible(self, *, fast: bool) -> None:
        check_tables(self.repinit.tebd_input_mode, fast=fast)

    def activations(self) -> Sequence[str]:
        return (self.repinit.activation_function, self.repformer.activation_function)
