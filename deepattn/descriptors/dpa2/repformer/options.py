"""Options shared by the layers of a repformer block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

_STYLES = ("res_avg", "res_incr", "res_residual")
_RESIDUAL_INITS = ("norm", "const")


@dataclass(frozen=True)
class RepformerOptions:
    """Options of a repformer layer, under the names that input files have for them.

    g1 are the features of atoms, g2 those of pairs of neighbors, h2 their vectors.

    Args:
        nnei: Slots of an atom.
        g1_dim, g2_dim: Widths of the features.
        axis_neuron: Columns in the first factor of invariants.
        update_g1_has_conv: Whether g1 gets a convolution of the neighbors' g1 with g2.
        update_g1_has_grrg: Whether g1 gets invariants of g2.
        update_g1_has_drrd: Whether g1 gets invariants of the neighbors' g1.
        update_g1_has_attn: Whether g1 gets an attention to the neighbors' g1.
        update_g2_has_g1g1: Whether g2 gets a product of the g1 of both atoms.
        update_g2_has_attn: Whether g2 gets a gated attention to other neighbors.
        update_h2: Whether h2 is updated by that attention.
        attn1_hidden, attn1_nhead: Width and heads of the attention of g1.
        attn2_hidden, attn2_nhead: Width and heads of the attention of g2.
        attn2_has_gate: Whether angles gate the logits of the attention of g2 too.
        activation: Name of the activation.
        update_style: How terms are added: ``"res_avg"``, ``"res_incr"`` or ``"res_residual"``.
        update_residual: Initial size of the weights of terms of ``"res_residual"``.
        update_residual_init: ``"norm"``: drawn with that standard deviation; ``"const"``.
        smooth: Whether neighbors fade out at the cutoff.
        use_sqrt_nnei: Whether moments are divided by the root of the number of neighbors.
        g1_out_conv: Whether the convolution is a term of its own.
        g1_out_mlp: Whether a layer of g1 itself is a term of its own.
        trainable_ln: Whether layer normalizations are trained.
        ln_eps: Epsilon of the layer normalizations.
    """

    nnei: int
    g1_dim: int = 128
    g2_dim: int = 16
    axis_neuron: int = 4
    update_g1_has_conv: bool = True
    update_g1_has_grrg: bool = True
    update_g1_has_drrd: bool = True
    update_g1_has_attn: bool = True
    update_g2_has_g1g1: bool = True
    update_g2_has_attn: bool = True
    update_h2: bool = False
    attn1_hidden: int = 64
    attn1_nhead: int = 4
    attn2_hidden: int = 16
    attn2_nhead: int = 4
    attn2_has_gate: bool = False
    activation: str = "tanh"
    update_style: str = "res_avg"
    update_residual: float = 0.001
    update_residual_init: str = "norm"
    smooth: bool = True
    use_sqrt_nnei: bool = True
    g1_out_conv: bool = True
    g1_out_mlp: bool = True
    trainable_ln: bool = True
    ln_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.update_style not in _STYLES:
            raise ValueError(
                f"update_style must be one of {', '.join(_STYLES)}, not {self.update_style!r}"
            )
        if self.update_residual_init not in _RESIDUAL_INITS:
            raise ValueError(
                f"update_residual_init must be norm or const, not {self.update_residual_init!r}"
            )
        if self.axis_neuron > min(self.g1_dim, self.g2_dim):
            raise ValueError(
                f"axis_neuron {self.axis_neuron} exceeds g1_dim {self.g1_dim} or g2_dim "
                f"{self.g2_dim}"
            )

    @classmethod
    def of(cls, options: RepformerOptions | Mapping[str, Any]) -> RepformerOptions:
        """The options themselves, or those of a mapping."""
        return options if isinstance(options, RepformerOptions) else cls(**options)

    def to_dict(self) -> dict[str, Any]:
        """As a mapping, which `of` takes back."""
        return asdict(self)

    def without_pairs(self) -> RepformerOptions:
        """Options of the last layer, whose g2 and h2 are not used."""
        return replace(self, update_g2_has_g1g1=False, update_g2_has_attn=False, update_h2=False)
