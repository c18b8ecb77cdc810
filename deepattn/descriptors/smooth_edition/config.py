"""Keys shared by the sections of DeepPot-SE and DPA-1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from dargs import Argument

from deepattn import limits
from deepattn.config.argument import Refused
from deepattn.config.constraints import (
    check_axis,
    check_cutoff,
    check_net,
    check_slots,
    require,
    resolve_activation,
)
from deepattn.config.descriptions import (
    ACTIVATION,
    AXIS_NEURON,
    DAVG_ZERO,
    PYTORCH,
    RCUT,
    RCUT_SMTH,
    RESNET,
)
from deepattn.config.descriptor import DescriptorConfig, EnvMatSpec, NeighborList, slots_of
from deepattn.config.section import key

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, kw_only=True)
class SmoothEditionConfig(DescriptorConfig):
    """An embedding net of distances, contracted with one environment matrix."""

    input_only: ClassVar[tuple[Argument, ...]] = (Refused("env_protection", 0.0, hint=PYTORCH),)

    sel: int | tuple[int, ...] | str
    rcut: float = key(6.0, RCUT)
    rcut_smth: float = key(0.5, RCUT_SMTH)
    neuron: tuple[int, ...] = key([10, 20, 40], "Widths of the embedding net.")
    axis_neuron: int = key(4, AXIS_NEURON, alias=("n_axis_neuron",))
    activation_function: str = key("tanh", ACTIVATION)
    resnet_dt: bool = key(False, RESNET)
    type_one_side: bool = key(False, "Whether the embedding ignores the type of the center.")
    set_davg_zero: bool = key(False, DAVG_ZERO)

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], *, common: bool) -> None:
        resolve_activation(section)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        _check_sel(section["sel"], f"{path}/sel", ntypes)
        check_cutoff(section, path)
        check_net(section, path)
        check_axis(section, path, width=section["neuron"][-1], of="the last width of neuron")

    def neighbor_lists(self) -> tuple[NeighborList, ...]:
        return (NeighborList("sel", self.sel, self.rcut),)

    def with_neighbors(self, numbers: Mapping[str, int | tuple[int, ...] | str]) -> Self:
        changed: dict[str, Any] = dict(numbers)
        return replace(self, **changed)

    def env_mats(self) -> tuple[EnvMatSpec, ...]:
        names = ("descrpt_attr/t_avg", "descrpt_attr/t_std")
        sel = slots_of(self.sel)
        return (EnvMatSpec(*names, self.rcut, self.rcut_smth, sel, self.set_davg_zero),)

    def activations(self) -> Sequence[str]:
        return (self.activation_function,)


def _check_sel(sel: int | list[int] | str, path: str, ntypes: int) -> None:
    if not isinstance(sel, list):
        check_slots(sel, path)
        return
    require(all(n >= 0 for n in sel) and sum(sel) > 0, path, sel, "be a non-empty list of numbers")
    require(sum(sel) <= limits.SLOTS, path, sel, f"have a sum of at most {limits.SLOTS}")
    require(len(sel) == ntypes, path, sel, f"have one number per type ({ntypes} types)")
