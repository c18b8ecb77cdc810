"""Keys of all descriptors with one environment matrix and embedding nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from deepattn import limits
from deepattn.config.constraints import (
    check_cutoff,
    check_net,
    check_slots,
    require,
    resolve_activation,
)
from deepattn.config.descriptions import ACTIVATION, DAVG_ZERO, RCUT, RCUT_SMTH, RESNET
from deepattn.config.descriptor import DescriptorConfig, EnvMatSpec, NeighborList, slots_of
from deepattn.config.ranges import within
from deepattn.config.section import key

if TYPE_CHECKING:
    from typing_extensions import Self

SEL_BY_TYPE = (
    "Maximum number of neighbors of each type. auto or auto:f: the largest number in the training "
    "data times f (1.1), rounded up to a multiple of 4."
)


@dataclass(frozen=True, kw_only=True)
class OneMatrixConfig(DescriptorConfig):
    """Embedding nets of one environment matrix.

    Class attributes:
        columns: How many columns of the matrix are normalized; the further ones are not used.
    """

    columns: ClassVar[int] = 4
    common_keys: ClassVar[tuple[str, ...]] = ("env_protection",)

    sel: int | tuple[int, ...] | str
    rcut: float = key(6.0, RCUT)
    rcut_smth: float = key(0.5, RCUT_SMTH)
    neuron: tuple[int, ...] = key([10, 20, 40], "Widths of the embedding net.")
    activation_function: str = key("tanh", ACTIVATION)
    resnet_dt: bool = key(False, RESNET)
    set_davg_zero: bool = key(False, DAVG_ZERO)
    env_protection: float = key(
        0.0,
        "Added to distances before division, Å; other than 0 it needs model/convention common.",
        check=within(0),
    )

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], *, common: bool) -> None:
        resolve_activation(section)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        check_sel(section["sel"], f"{path}/sel", ntypes)
        check_cutoff(section, path)
        check_net(section, path)

    def neighbor_lists(self) -> tuple[NeighborList, ...]:
        return (NeighborList("sel", self.sel, self.rcut),)

    def with_neighbors(self, numbers: Mapping[str, int | tuple[int, ...] | str]) -> Self:
        changed: dict[str, Any] = dict(numbers)
        return replace(self, **changed)

    def env_mats(self) -> tuple[EnvMatSpec, ...]:
        return (
            EnvMatSpec(
                davg="descrpt_attr/t_avg",
                dstd="descrpt_attr/t_std",
                rcut=self.rcut,
                rcut_smth=self.rcut_smth,
                sel=slots_of(self.sel),
                set_davg_zero=self.set_davg_zero,
                columns=self.columns,
                protection=self.env_protection,
            ),
        )

    def activations(self) -> Sequence[str]:
        return (self.activation_function,)


def check_sel(sel: int | list[int] | str, path: str, ntypes: int) -> None:
    """Check numbers of slots: one, one for each type, or ``auto``.

    Raises:
        ConfigError: They are out of range.
    """
    if not isinstance(sel, list):
        check_slots(sel, path)
        return
    require(all(n >= 0 for n in sel) and sum(sel) > 0, path, sel, "be a non-empty list of numbers")
    require(sum(sel) <= limits.SLOTS, path, sel, f"have a sum of at most {limits.SLOTS}")
    require(len(sel) == ntypes, path, sel, f"have one number per type ({ntypes} types)")
