"""The driver ``deepattn`` of dpdata, which finds it by the entry point ``dpdata.plugins``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from dpdata.driver import Driver

from deepattn.errors import DataError

if TYPE_CHECKING:
    from deepattn.infer.deep_pot import DeepPot


@Driver.register("deepattn")
class DeepattnDriver(Driver):
    """Labels the frames of a dpdata system with energies, forces and virials of a model.

    Args:
        model: Any model file, or a `DeepPot`.
        head: The branch of a multi-task model.

    Raises:
        ModelFileError: The file cannot be read.

    Example:
        >>> labeled = dpdata.System("POSCAR").predict("model.pb", driver="deepattn")
    """

    def __init__(self, model: str | os.PathLike | DeepPot, head: str | None = None) -> None:
        # dpdata imports this module whenever it is imported itself.
        from deepattn.infer.deep_pot import DeepPot

        self.model = model if isinstance(model, DeepPot) else DeepPot(model, head=head)

    def label(self, data: dict[str, Any]) -> dict[str, Any]:
        """The data of a system with ``energies`` (eV), ``forces`` (eV/Å) and ``virials`` (eV).

        Args:
            data: As in `dpdata.System.data`; elements are matched by name.

        Raises:
            DataError: The model does not have an element of the system.
        """
        known = self.model.get_type_map()
        names = data["atom_names"]
        used = np.unique(data["atom_types"])
        missing = [names[kind] for kind in used if names[kind] not in known]
        if missing:
            raise DataError(
                f"the model has no {', '.join(missing)}; its elements are {', '.join(known)}"
            )
        types = np.array([known.index(names[kind]) for kind in data["atom_types"]])
        coords = np.asarray(data["coords"])
        count = len(coords)
        cells = None if data.get("nopbc", False) else np.asarray(data["cells"]).reshape(count, 9)
        energy, force, virial = self.model.eval(coords.reshape(count, -1), cells, types)
        return {
            **data,
            "energies": energy.reshape(count),
            "forces": force.reshape(coords.shape),
            "virials": virial.reshape(count, 3, 3),
        }
