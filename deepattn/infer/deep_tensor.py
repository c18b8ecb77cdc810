"""Dipole moments and polarizabilities of frames from a model file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deepattn.infer.deep_eval import refuse_arguments
from deepattn.infer.deep_observable import DeepObservable


class DeepTensor(DeepObservable):
    """A model of tensors, with the methods of ``deepmd.infer.DeepDipole`` and ``DeepPolar``.

    Args:
        model_file, auto_batch_size, neighbor_list, head, kwargs: As for `DeepEval`.
    """

    compares_atoms_alone = True

    def eval(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        atomic: bool = True,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
        **kwargs: Any,
    ) -> np.ndarray:
        """Evaluate tensors.

        Args:
            coords, cells, atom_types, fparam, aparam, mixed_type, kwargs: As for `DeepPot.eval`.
            atomic: Whether to give the tensors of the atoms, not their sum.

        Returns:
            ``[nframes, natoms, components]``, zero for atoms of types that have none; without
            ``atomic`` ``[nframes, components]``.

        Raises:
            DataError: As for `DeepPot.eval`.
            ModelFileError: If TensorFlow cannot run the model.
        """
        refuse_arguments(kwargs)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        found = self.evaluate(frames, total=not atomic, atomic=atomic)
        return found[self.observable.atomic_name if atomic else self.observable.name]

    def eval_full(
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
        """Evaluate tensors and their derivatives, each component as if it were an energy.

        Args:
            coords, cells, atom_types, fparam, aparam, mixed_type, kwargs: As for `DeepPot.eval`.
            atomic: Whether to give tensors and virials of the atoms too.

        Returns:
            The tensor ``[nframes, components]``, the negative derivatives of its components by
            the positions ``[nframes, components, natoms, 3]``, their virials ``[nframes,
            components, 9]``; with ``atomic`` also the tensors of the atoms ``[nframes, natoms,
            components]`` and their virials ``[nframes, components, natoms, 9]``.

        Raises:
            DataError: As for `DeepPot.eval`.
            ModelFileError: If TensorFlow cannot run the model.
        """
        refuse_arguments(kwargs)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        found = self.evaluate(frames, atomic=atomic, derivatives=True)
        force = found["tensor_force"].transpose(0, 2, 1, 3)
        results = [found[self.observable.name], force, found["tensor_virial"]]
        if atomic:
            shares = found["tensor_atom_virial"].transpose(0, 2, 1, 3)
            results += [found[self.observable.atomic_name], shares]
        return tuple(results)


class DeepDipole(DeepTensor):
    """A model of dipole moments, with the methods of ``deepmd.infer.DeepDipole``.

    Args:
        model_file, auto_batch_size, neighbor_list, head, kwargs: As for `DeepEval`.

    Example:
        >>> dipole = DeepDipole("frozen_model.pb").eval(coords, cells, atom_types, atomic=False)
    """

    reader = "DeepDipole"


class DeepPolar(DeepTensor):
    """A model of polarizabilities, with the methods of ``deepmd.infer.DeepPolar``.

    Args:
        model_file, auto_batch_size, neighbor_list, head, kwargs: As for `DeepEval`.

    Example:
        >>> tensor = DeepPolar("frozen_model.pb").eval(coords, cells, atom_types, atomic=False)
    """

    reader = "DeepPolar"
