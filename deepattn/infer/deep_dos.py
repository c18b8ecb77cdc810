"""Densities of states of frames from a model file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deepattn.infer.deep_eval import refuse_arguments
from deepattn.infer.deep_observable import DeepObservable


class DeepDOS(DeepObservable):
    """A model of densities of states, with the methods of ``deepmd.infer.DeepDOS``.

    Args:
        model_file, auto_batch_size, neighbor_list, head, kwargs: As for `DeepEval`.

    Example:
        >>> (dos,) = DeepDOS("frozen_model.pb").eval(coords, cells, atom_types)
    """

    reader = "DeepDOS"

    @property
    def numb_dos(self) -> int:
        """The number of points of the energy grid."""
        return self.get_numb_dos()

    def get_numb_dos(self) -> int:
        """Give the number of points of the energy grid."""
        return self.observable.width

    def eval(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        atomic: bool = False,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
        **kwargs: Any,
    ) -> tuple[np.ndarray, ...]:
        """Evaluate densities of states.

        Args:
            coords, cells, atom_types, fparam, aparam, mixed_type, kwargs: As for `DeepPot.eval`.
            atomic: Whether to give those of the atoms too.

        Returns:
            ``dos [nframes, numb_dos]``; with ``atomic`` also ``atom_dos [nframes, natoms,
            numb_dos]``.

        Raises:
            DataError: As for `DeepPot.eval`.
            ModelFileError: If TensorFlow cannot run the model.
        """
        refuse_arguments(kwargs)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        return tuple(self.evaluate(frames, atomic=atomic).values())
