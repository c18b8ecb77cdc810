"""The section of a term ``pairtab``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn import limits
from deepattn.config.ranges import positive, within
from deepattn.config.section import required
from deepattn.config.submodel import SubModelConfig


def _check_sel(value: int | list[int], path: str) -> None:
    for number in value if isinstance(value, list) else [value]:
        within(0, limits.SLOTS)(number, path)


@dataclass(frozen=True, kw_only=True)
class PairTabConfig(SubModelConfig):
    """Energies of pairs from a table, such as those of dispersion."""

    layer = "deepattn.terms.pairtab.layer:PairTabTerm"

    tab_file: str = required(
        "File with a table: distances in even steps, Å, then one column of energies, eV, for each "
        "pair of types (docs/theory/linear.md)."
    )
    rcut: float = required("Cutoff radius, Å.", check=positive)
    sel: int | tuple[int, ...] = required(
        "Largest number of neighbors; of a list the sum.", check=_check_sel
    )

    @property
    def slots(self) -> int:
        """Number of neighbor slots."""
        return self.sel if isinstance(self.sel, int) else sum(self.sel)
