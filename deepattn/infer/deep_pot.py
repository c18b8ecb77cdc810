"""Energies, forces and virials of frames from a model file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deepattn.errors import DataError
from deepattn.infer.deep_eval import DeepEval, refuse_arguments
from deepattn.infer.feeds import HESSIAN
from deepattn.infer.frames import Frames
from deepattn.infer.uncertainty import UNCERTAINTIES
from deepattn.uncertainty import Uncertainty


class DeepPot(DeepEval):
    """A potential read from a file, with the methods of ``deepmd.infer.DeepPot``.

    A frozen graph is run as it stands in the file, so it gives what DeePMD-kit gives.

    Args:
        model_file: A frozen graph (``.pb`` may be left out), a ``.dp`` or YAML file, a checkpoint
            (its file, prefix or folder), a SavedModel, an archive of Keras, or one of these that
            :func:`~deepattn.models.open_model_file` has read.
        auto_batch_size: How many atoms are evaluated at once: True for the environment variable
            ``DP_INFER_BATCH_SIZE`` (1024 by default), a number, or False for all frames at once.
        neighbor_list: An ``ase.neighborlist.NewPrimitiveNeighborList`` that finds the
            neighbors; by default the model does.
        head: Name or alias of the branch of a multi-task checkpoint.
        uncertainty: File of the uncertainties that :meth:`eval_uncertainty` gives, as written by
            ``deepattn uncertainty fit``, or what it contains; by default the one beside the model.
        **kwargs: Further arguments of DeePMD-kit, accepted as long as they ask for nothing.

    Raises:
        ModelFileError: If the file is missing, damaged, unsafe or not an energy model.
        ForkError: If the process was forked from one that has opened a model.

    Example:
        >>> dp = DeepPot("frozen_model.pb")
        >>> e, f, v = dp.eval(coords, cells, atom_types)
    """

    reader = "DeepPot"

    def eval(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        atomic: bool = False,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
        spin: ArrayLike | None = None,
        **kwargs: Any,
    ) -> tuple[np.ndarray, ...]:
        """Evaluate energy, forces and virial.

        Args:
            coords: Coordinates in Å, ``[nframes, natoms, 3]``, ``[nframes, natoms * 3]`` or flat;
                of one frame also ``[natoms, 3]``.
            cells: Cell vectors as rows in Å, ``[nframes, 9]``; None for open boundaries.
            atom_types: Types by number, ``[natoms]``, or ``[nframes, natoms]`` where frames
                differ; −1 marks a virtual atom, for which everything is zero.
            atomic: Whether to give atomic energies and virials too.
            fparam: Frame parameters, ``[nframes, dim]`` or ``[dim]``.
            aparam: Atomic parameters, ``[nframes, natoms, dim]``, ``[natoms, dim]`` or ``[dim]``.
            mixed_type: Whether the types are given for every frame.
            spin: Magnetic moments in μB, as ``coords``, for a model with :attr:`has_spin`.
            **kwargs: Further arguments of DeePMD-kit, accepted as long as they ask for nothing.

        Returns:
            ``energy [nframes, 1]`` in eV, ``force [nframes, natoms, 3]`` in eV/Å, ``virial
            [nframes, 9]`` in eV; with ``atomic`` also ``atom_energy [nframes, natoms, 1]`` and
            ``atom_virial [nframes, natoms, 9]``; of a model with :attr:`has_spin` also the magnetic
            forces ``force_mag [nframes, natoms, 3]`` in eV/μB and the atoms that have one,
            ``mask_mag [nframes, natoms, 1]``; of a model that was trained on Hessians last the
            result of :meth:`eval_hessian`. A virtual atom, which stands for a magnetic moment, has
            the magnetic force in eV/μB, and no place in ``atom_energy``.

        Raises:
            DataError: If an argument does not fit the model or is not finite, atoms overlap, a
                cell is too thin for the cutoff, or there is not enough memory for a frame.
            ModelFileError: If TensorFlow cannot run the model.
        """
        refuse_arguments(kwargs if self.has_spin else {**kwargs, "spin": spin})
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type, spin)
        out = self.evaluate(frames, atomic=atomic, hessian=self.has_hessian)
        out["energy"] = out["energy"][:, None]
        if self.has_spin:
            out["mask_mag"] = out["mask_mag"][:, :, None] > 0
        if atomic:
            out["atom_energy"] = self._of_elements(out["atom_energy"], frames)[:, :, None]
        return tuple(out.values())

    def _of_elements(self, energy: np.ndarray, frames: Frames) -> np.ndarray:
        """Atomic energies ``[nframes, natoms]`` without the places of virtual atoms."""
        if not self._facts.hosts:
            return energy
        kept = frames.atype < self.get_ntypes() - self.get_ntypes_spin()
        if len({*kept.sum(axis=1)}) > 1:
            raise DataError(
                "the frames have different numbers of virtual atoms; evaluate them apart"
            )
        return energy[kept].reshape(len(energy), -1)

    def evaluate(
        self,
        frames: Frames,
        *,
        atomic: bool = False,
        descriptor: bool = False,
        uncertainty: bool = False,
        hessian: bool = False,
    ) -> dict[str, np.ndarray]:
        """Evaluate frames that have been checked, by :meth:`frames` or :func:`read_frames`.

        Args:
            frames: The frames.
            atomic: Whether to give atomic energies and virials too.
            descriptor: Whether to give the result of :meth:`evaluate_descriptor` too.
            uncertainty: Whether to give the results of :meth:`eval_uncertainty` too.
            hessian: Whether to give the result of :meth:`eval_hessian` too.

        Returns:
            ``energy [nframes]`` in eV, ``force [nframes, natoms, 3]`` in eV/Å, ``virial
            [nframes, 9]`` in eV; with ``atomic`` also ``atom_energy [nframes, natoms]`` and
            ``atom_virial [nframes, natoms, 9]``; with ``descriptor`` also ``descriptor [nframes,
            natoms, width]``; with ``uncertainty`` also ``force_error [nframes, natoms]`` in eV/Å
            and ``distance [nframes, natoms]``; with ``hessian`` also ``hessian [nframes,
            3 * natoms, 3 * natoms]`` in eV/Å²; of a model with :attr:`has_spin` also ``force_mag
            [nframes, natoms, 3]`` in eV/μB and ``mask_mag [nframes, natoms]``, 1 for the atoms that
            have one.

        Raises:
            DataError: As for :meth:`eval`.
            ModelFileError: If TensorFlow cannot run the model.
        """
        nframes, natoms = frames.atype.shape
        shapes = {"energy": (nframes,), "force": (nframes, natoms, 3), "virial": (nframes, 9)}
        if atomic:
            shapes |= {"atom_energy": (nframes, natoms), "atom_virial": (nframes, natoms, 9)}
        if self.has_spin:
            shapes |= {"force_mag": (nframes, natoms, 3), "mask_mag": (nframes, natoms)}
        if descriptor:
            shapes |= {"descriptor": (nframes, natoms, 0)}
        if uncertainty:
            shapes |= dict.fromkeys(UNCERTAINTIES, (nframes, natoms))
        if hessian:
            shapes[HESSIAN] = (nframes, 3 * natoms, 3 * natoms)
        dtypes = {"virial": self._facts.interface_dtype}
        out = {k: np.zeros(shape, dtypes.get(k, "float64")) for k, shape in shapes.items()}
        self._evaluator.fill(frames, out)
        return out

    def eval_hessian(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
    ) -> np.ndarray:
        """Evaluate the second derivatives of the energy by positions.

        The model is rebuilt for it from the weights in its file.

        Args:
            coords, cells, atom_types, fparam, aparam, mixed_type: As for :meth:`eval`.

        Returns:
            ``[nframes, 3 * natoms, 3 * natoms]`` in eV/Å²; rows and columns are the coordinates x,
            y, z of atom after atom.

        Raises:
            DataError: As for :meth:`eval`.
            ModelFileError: If the model cannot be rebuilt: it is compressed, or a SavedModel.
        """
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        return self.evaluate_hessian(frames)

    def evaluate_hessian(self, frames: Frames) -> np.ndarray:
        """The result of :meth:`eval_hessian` of frames that have been checked.

        Args:
            frames: The frames, as :func:`read_frames` returns them.
        """
        nframes, natoms = frames.atype.shape
        out = {HESSIAN: np.zeros((nframes, 3 * natoms, 3 * natoms))}
        self._evaluator.fill(frames, out)
        return out[HESSIAN]

    def eval_uncertainty(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the errors of the forces, and say how far atoms are from the training data.

        Args:
            coords, cells, atom_types, fparam, aparam, mixed_type: As for :meth:`eval`.

        Returns:
            Expected root mean square error of the force on each atom in eV/Å, ``[nframes,
            natoms]``, and the distance of its environment from the training data, ``[nframes,
            natoms]``: above 1 it is farther than 99 % of them. Both are infinite for elements that
            the training data do not have.

        Raises:
            DataError: As for :meth:`eval`.
            ModelFileError: If there is no file of uncertainties for this model.
        """
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        out = self.evaluate(frames, uncertainty=True)
        return out["force_error"], out["distance"]

    @property
    def uncertainty(self) -> Uncertainty:
        """The uncertainty of the model.

        Raises:
            ModelFileError: If there is none, or it belongs to another model.
        """
        return self._evaluator.uncertainty

    @property
    def has_efield(self) -> bool:
        """Whether the model takes an external field: never."""
        return False

    @property
    def has_hessian(self) -> bool:
        """Whether the model was trained on Hessians, so that :meth:`eval` gives them."""
        return self._has_hessian
