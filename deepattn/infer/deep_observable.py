"""The base of classes that evaluate models of observables."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from deepattn.config.observable import Observable
from deepattn.infer.deep_eval import DeepEval, refuse_arguments
from deepattn.infer.frames import Frames


class DeepObservable(DeepEval):
    """A model of an observable read from a file; its arguments are those of `DeepEval`.

    Class attributes:
        compares_atoms_alone: Whether a test of atoms leaves out the frames, as in ``dp test``.
    """

    compares_atoms_alone: ClassVar[bool] = False

    @property
    def observable(self) -> Observable:
        """What the model gives."""
        observable = self._facts.observable
        if observable is None:
            raise TypeError(f"{self.model_file} is a model of energies")
        return observable

    def evaluate(
        self,
        frames: Frames,
        *,
        total: bool = True,
        atomic: bool = False,
        derivatives: bool = False,
    ) -> dict[str, np.ndarray]:
        """Evaluate frames that have been checked, by ``frames`` or :func:`read_frames`.

        Args:
            frames: The frames.
            total: Whether to give the observable itself, which graphs of DeePMD-kit 1 lack.
            atomic: Whether to give the contributions of the atoms too.
            derivatives: Whether to give the derivatives of each component too.

        Returns:
            By its name the observable ``[nframes, width]``; with ``atomic`` also
            ``atom_<name> [nframes, natoms, width]``; with ``derivatives`` also ``tensor_force
            [nframes, natoms, width, 3]``, ``tensor_virial [nframes, width, 9]`` and, with both,
            ``tensor_atom_virial [nframes, natoms, width, 9]``.

        Raises:
            DataError: If atoms overlap, a cell is too thin for the cutoff, or there is not enough
                memory for a frame.
            ModelFileError: If TensorFlow cannot run the model.
        """
        name, width = self.observable.name, self.observable.width
        nframes, natoms = frames.atype.shape
        out = {name: np.zeros((nframes, width))} if total else {}
        if atomic:
            out[self.observable.atomic_name] = np.zeros((nframes, natoms, width))
        if derivatives:
            out["tensor_force"] = np.zeros((nframes, natoms, width, 3))
            out["tensor_virial"] = np.zeros((nframes, width, 9))
        if atomic and derivatives:
            out["tensor_atom_virial"] = np.zeros((nframes, natoms, width, 9))
        self._evaluator.fill(frames, out)
        return out


class DeepContributions(DeepObservable):
    """A model of an observable without a direction; its arguments are those of `DeepEval`."""

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
        """Evaluate the observable.

        Args:
            coords, cells, atom_types, fparam, aparam, mixed_type, kwargs: As for `DeepPot.eval`.
            atomic: Whether to give the contributions of the atoms too.

        Returns:
            The observable ``[nframes, width]``; with ``atomic`` also the contributions ``[nframes,
            natoms, width]``.

        Raises:
            DataError: As for `DeepPot.eval`.
            ModelFileError: If TensorFlow cannot run the model.
        """
        refuse_arguments(kwargs)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        return tuple(self.evaluate(frames, atomic=atomic).values())
