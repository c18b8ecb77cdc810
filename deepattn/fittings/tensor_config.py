"""What the sections of fittings of tensors have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from deepattn.config.argument import Refused
from deepattn.config.constraints import require
from deepattn.config.fitting import FittingConfig
from deepattn.config.observable import Label, Observable

_PARAMETERS = "DeePMD-kit's graphs of tensors have no parameters"


def tensor_lines(name: str) -> dict[str, str]:
    """The lines of ``dp test`` for a tensor.

    Args:
        name: Its name there.
    """
    return {
        "rmse": f"{name}  RMSE       : {{:e}}",
        "rmse_sqrtn": f"{name}  RMSE/sqrtN : {{:e}}",
        "rmse_n": f"{name}  RMSE/N     : {{:e}}",
        "rmse_atom": f"{name}  RMSE       : {{:e}}",
    }


@dataclass(frozen=True, kw_only=True)
class TensorFittingConfig(FittingConfig):
    """A tensor of each atom, made of the equivariant rows of a descriptor.

    Subclasses have the field ``sel_type``, whose other spelling is the tensor's own.

    Class attributes:
        name: Name of the label of a frame.
        components: Number of components.
    """

    name: ClassVar[str]
    components: ClassVar[int]

    model = "deepattn.models.tensor_model:TensorModel"
    subject = "tensors"
    errors_of_systems = ("rmse_sqrtn", "rmse_n")
    needs_vectors = True
    fine_tunes = False
    implied: ClassVar[Mapping[str, Any]] = {
        "numb_fparam": 0,
        "default_fparam": None,
        "numb_aparam": 0,
        "dim_case_embd": 0,
        "rcond": None,
        "trainable": True,
    }
    input_only = (
        Refused("numb_fparam", 0, hint=_PARAMETERS),
        Refused("numb_aparam", 0, hint=_PARAMETERS),
        Refused("dim_case_embd", 0, hint=_PARAMETERS),
        Refused("default_fparam", hint=_PARAMETERS),
    )

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any]) -> None:
        super().resolve_defaults(section)
        if isinstance(section["sel_type"], int):
            section["sel_type"] = [section["sel_type"]]

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        super().check({**cls.implied, **section}, path, ntypes=ntypes)
        chosen = section["sel_type"]
        if chosen is not None:
            valid = all(0 <= kind < ntypes for kind in chosen) and chosen == sorted(set(chosen))
            require(
                bool(chosen) and valid,
                f"{path}/sel_type",
                chosen,
                f"list types from 0 to {ntypes - 1} in rising order",
            )

    @classmethod
    def leave_out(cls, section: dict[str, Any], types: Sequence[int], ntypes: int) -> bool:
        present = section.get("sel_type")
        kept = range(ntypes) if present is None else present
        section["sel_type"] = [kind for kind in kept if kind not in types]
        return True

    @property
    def chosen(self) -> tuple[int, ...] | None:
        """The types of the atoms that have a tensor; None for all."""
        return getattr(self, "sel_type", None)

    @property
    def observable(self) -> Observable:
        return Observable(self.name, self.components, types=self.chosen)

    @classmethod
    def observable_of_graph(cls, constant: Callable[[str], Any]) -> Observable:
        types = tuple(np.ravel(constant("model_attr/sel_type")).astype(int).tolist())
        return Observable(cls.name, cls.components, types=types)

    @classmethod
    def graph_nodes(cls) -> dict[str, str]:
        return {
            cls.name: f"o_global_{cls.graph_type}",
            f"atom_{cls.name}": f"o_{cls.graph_type}",
            "tensor_force": "o_force",
            "tensor_virial": "o_virial",
            "tensor_atom_virial": "o_atom_virial",
        }

    @property
    def statistics_labels(self) -> tuple[Label, ...]:
        return self.observable.label, self.observable.atomic_label
