"""Labels and predictions side by side, in the files of ``dp test -d``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from deepattn.formats.files import write_whole
from deepattn.infer.statistics import with_force

_AXES = [a + b for a in "xyz" for b in "xyz"]


class DetailFiles:
    """The detail files of all systems, which appear when the last one has been tested.

    Args:
        prefix: path whose ending gives way to ``.e.out`` and so on; None writes nothing.
    """

    def __init__(self, prefix: str | Path | None) -> None:
        self._prefix = None if prefix is None else Path(prefix)
        self._stack = ExitStack()
        self._files: dict[str, IO] = {}

    def __enter__(self) -> DetailFiles:
        self._stack.__enter__()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)

    def write(
        self,
        system: str,
        *,
        prediction: Mapping[str, np.ndarray],
        labels: Mapping[str, np.ndarray],
        atype: np.ndarray,
        box: np.ndarray | None,
    ) -> None:
        """Add the rows of some frames.

        Args:
            system: the system, for the head of the files.
            prediction: as for `energy_errors`.
            labels: as for `energy_errors`.
            atype: types ``[n, natoms]``; −1 is a virtual atom.
            box: cell vectors ``[n, 9]`` in Å, or None.
        """
        if self._prefix is None:
            return
        rows = partial(self._rows, self._prefix, system)
        natoms = np.maximum(np.count_nonzero(atype >= 0, axis=1), 1)[:, None]
        pairs = {name: (labels[name], prediction[name]) for name in ("energy", "force", "virial")}
        energy, force, virial = (
            np.hstack([x.reshape(-1, width), y.reshape(-1, width)])
            for (x, y), width in zip(pairs.values(), (1, 3, 9), strict=True)
        )
        rows(".e.out", energy, ["e"])
        rows(".e_peratom.out", energy / natoms, ["e"])
        axes = ["fx", "fy", "fz"]
        if "force_mag" in prediction:
            rows(".fr.out", force[with_force(prediction, atype).ravel()], axes)
            chosen = prediction["mask_mag"]
            magnetic = np.hstack([labels["force_mag"][chosen], prediction["force_mag"][chosen]])
            if labels["find_force_mag"].any():
                rows(".fm.out", magnetic, ["fmx", "fmy", "fmz"])
        else:
            rows(".f.out", force, axes)
        rows(".v.out", virial, [f"v{axis}" for axis in _AXES])
        rows(".v_peratom.out", virial / natoms, [f"v{axis}" for axis in _AXES])
        if box is not None and labels["find_virial"].any():
            volume = np.abs(np.linalg.det(box.reshape(-1, 3, 3)))[:, None]
            rows(".s.out", -virial / volume, [f"s{axis}" for axis in _AXES])

        if "hessian" in prediction:
            hessian = (labels["hessian"].reshape(-1, 1), prediction["hessian"].reshape(-1, 1))
            rows(".h.out", np.hstack(hessian), ["h"])

    def _rows(
        self, prefix: Path, system: str, ending: str, rows: np.ndarray, columns: Sequence[str]
    ) -> None:
        header = ""
        if ending not in self._files:
            path = prefix.with_suffix(ending)
            self._files[ending] = self._stack.enter_context(write_whole(path, "w"))
            unit = " (eV/Å³)" if ending == ".s.out" else ""
            names = [f"{origin}_{name}" for origin in ("data", "pred") for name in columns]
            header = f"{system}{unit}: {' '.join(names)}"
        np.savetxt(self._files[ending], rows, header=header)
