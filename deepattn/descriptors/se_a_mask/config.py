"""The section of a descriptor ``se_a_mask``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepattn.config.argument import Refused
from deepattn.config.constraints import check_axis, check_net, resolve_activation
from deepattn.config.descriptions import ACTIVATION, AXIS_NEURON, RESNET, TYPE_ONE_SIDE
from deepattn.config.descriptor import DescriptorConfig, EnvMatSpec, NeighborList
from deepattn.config.section import key, required
from deepattn.descriptors.one_matrix.config import check_sel
from deepattn.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, kw_only=True)
class SeAMaskConfig(DescriptorConfig):
    """DeepPot-SE of all atoms of a frame, of which some may be masked."""

    title = "DeepPot-SE with masked atoms"
    paper = "Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003"
    layer = "deepattn.descriptors.se_a_mask.layer:SeAMask"
    mixed_types = False
    conventions = ("tensorflow",)
    instead_of_type_embedding = "remove the section, as types have nets of their own"
    fine_tunes = False
    fixed_slots = True
    whole_frames = True
    # In inputs of DeePMD-kit 2, without effect.
    input_only = (
        Refused("set_davg_zero", False, accepted=(True,), hint="the descriptor has no statistics"),
    )
    # DeePMD-kit's loader wants them, and its own graphs lack them.
    idle_weights = ("descrpt_attr/t_avg", "descrpt_attr/t_std")

    sel: tuple[int, ...] = required(
        "Number of atoms of each type, the same in all frames, masked ones included."
    )
    neuron: tuple[int, ...] = key([10, 20, 40], "Widths of the embedding net.")
    axis_neuron: int = key(4, AXIS_NEURON, alias=("n_axis_neuron",))
    type_one_side: bool = key(False, TYPE_ONE_SIDE)
    activation_function: str = key("tanh", ACTIVATION)
    resnet_dt: bool = key(False, RESNET)

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], *, common: bool) -> None:
        resolve_activation(section)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        check_sel(section["sel"], f"{path}/sel", ntypes)
        check_net(section, path)
        check_axis(section, path, width=section["neuron"][-1], of="the last width of neuron")

    def neighbor_lists(self) -> tuple[NeighborList, ...]:
        return ()

    def with_neighbors(self, numbers: Mapping[str, int | tuple[int, ...] | str]) -> Self:
        return self

    def env_mats(self) -> tuple[EnvMatSpec, ...]:
        return ()

    @property
    def composition(self) -> tuple[int, ...]:
        return self.sel

    def check_compressible(self, *, fast: bool) -> None:
        raise ConfigError(
            f"models with the descriptor {self.type} cannot be compressed; use the model as it is"
        )

    def activations(self) -> Sequence[str]:
        return (self.activation_function,)
