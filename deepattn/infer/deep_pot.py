"""Energies, forces and virials of frames from a model file."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from deepattn.errors import ModelFileError
from deepattn.infer.batches import atoms_per_batch
from deepattn.infer.evaluator import Evaluator
from deepattn.infer.feeds import LAST_LAYER
from deepattn.infer.forks import note_opened, refuse_forked
from deepattn.infer.frames import Frames, as_frames
from deepattn.infer.uncertainty import UNCERTAINTIES
from deepattn.models.files import ModelFile, open_model_file
from deepattn.uncertainty import Uncertainty

if TYPE_CHECKING:
    from ase.neighborlist import NewPrimitiveNeighborList

DTYPES = {"native": np.float64, "fp32": np.float32, "fp64": np.float64}


class DeepPot:
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

    def __init__(
        self,
        model_file: str | os.PathLike | ModelFile,
        auto_batch_size: bool | int = True,
        neighbor_list: NewPrimitiveNeighborList | None = None,
        head: str | None = None,
        *,
        uncertainty: str | os.PathLike | Uncertainty | None = None,
        **kwargs: Any,
    ):
        _refuse(kwargs)
        self.model_file = str(model_file.path if isinstance(model_file, ModelFile) else model_file)
        self.neighbor_list = neighbor_list
        refuse_forked()
        self._evaluator = Evaluator(
            open_model_file(model_file, head),
            numb_atoms=1 if neighbor_list else atoms_per_batch(auto_batch_size),
            neighbor_list=neighbor_list,
            uncertainty=uncertainty,
        )
        self._facts = self._evaluator.facts
        note_opened()

    def __enter__(self) -> DeepPot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release what TensorFlow holds for the model."""
        self._evaluator.close()

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
            **kwargs: Further arguments of DeePMD-kit, accepted as long as they ask for nothing.

        Returns:
            ``energy [nframes, 1]`` in eV, ``force [nframes, natoms, 3]`` in eV/Å, ``virial
            [nframes, 9]`` in eV; with ``atomic`` also ``atom_energy [nframes, natoms, 1]`` and
            ``atom_virial [nframes, natoms, 9]``.

        Raises:
            DataError: If an argument does not fit the model or is not finite, atoms overlap, a
                cell is too thin for the cutoff, or there is not enough memory for a frame.
            ModelFileError: If TensorFlow cannot run the model.
        """
        _refuse(kwargs)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        out = self.evaluate(frames, atomic=atomic)
        out["energy"] = out["energy"][:, None]
        if atomic:
            out["atom_energy"] = out["atom_energy"][:, :, None]
        return tuple(out.values())

    def evaluate(
        self,
        frames: Frames,
        *,
        atomic: bool = False,
        descriptor: bool = False,
        uncertainty: bool = False,
    ) -> dict[str, np.ndarray]:
        """Evaluate frames that have been checked, by :meth:`frames` or :func:`read_frames`.

        Args:
            frames: The frames.
            atomic: Whether to give atomic energies and virials too.
            descriptor: Whether to give the result of :meth:`evaluate_descriptor` too.
            uncertainty: Whether to give the results of :meth:`eval_uncertainty` too.

        Returns:
            ``energy [nframes]`` in eV, ``force [nframes, natoms, 3]`` in eV/Å, ``virial
            [nframes, 9]`` in eV; with ``atomic`` also ``atom_energy [nframes, natoms]`` and
            ``atom_virial [nframes, natoms, 9]``; with ``descriptor`` also ``descriptor [nframes,
            natoms, width]``; with ``uncertainty`` also ``force_error [nframes, natoms]`` in eV/Å
            and ``distance [nframes, natoms]``.

        Raises:
            DataError: As for :meth:`eval`.
            ModelFileError: If TensorFlow cannot run the model.
        """
        nframes, natoms = frames.atype.shape
        shapes = {"energy": (nframes,), "force": (nframes, natoms, 3), "virial": (nframes, 9)}
        if atomic:
            shapes |= {"atom_energy": (nframes, natoms), "atom_virial": (nframes, natoms, 9)}
        if descriptor:
            shapes |= {"descriptor": (nframes, natoms, 0)}
        if uncertainty:
            shapes |= dict.fromkeys(UNCERTAINTIES, (nframes, natoms))
        dtypes = {"virial": self._facts.interface_dtype}
        out = {k: np.zeros(shape, dtypes.get(k, "float64")) for k, shape in shapes.items()}
        self._evaluator.fill(frames, out)
        return out

    def eval_descriptor(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
        dtype: str = "native",
        **kwargs: Any,
    ) -> np.ndarray:
        """Evaluate the descriptor of every atom, without its type embedding.

        Args:
            dtype: ``fp32``, ``fp64``, or ``native``, which is float64.
            coords, cells, atom_types, fparam, aparam, mixed_type, kwargs: As for :meth:`eval`.

        Returns:
            ``[nframes, natoms, width]``.
        """
        _refuse(kwargs)
        kind = result_dtype(dtype)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        return self._vectors("descriptor", frames).astype(kind, copy=False)

    def evaluate_descriptor(self, frames: Frames) -> np.ndarray:
        """Evaluate the descriptor of every atom of frames that have been checked.

        Args:
            frames: The frames, as :func:`read_frames` returns them.

        Returns:
            ``[nframes, natoms, width]``.
        """
        return self._vectors("descriptor", frames)

    def eval_fitting_last_layer(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
        dtype: str = "native",
        **kwargs: Any,
    ) -> np.ndarray:
        """Evaluate the last hidden layer of the fitting net, a feature vector of every atom.

        The model is rebuilt for it from the weights in its file.

        Args:
            dtype: ``fp32``, ``fp64``, or ``native``, which is float64.
            coords, cells, atom_types, fparam, aparam, mixed_type, kwargs: As for :meth:`eval`.

        Returns:
            ``[nframes, natoms, width of the layer]``.

        Raises:
            DataError: As for :meth:`eval`.
            ModelFileError: If the model cannot be rebuilt: it is compressed, or a SavedModel.
        """
        _refuse(kwargs)
        kind = result_dtype(dtype)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        return self._vectors(LAST_LAYER, frames).astype(kind, copy=False)

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

    def eval_typeebd(self) -> np.ndarray:
        """Evaluate the type embedding, ``[ntypes + 1, width]``; the last row is the padding's."""
        vectors = self._evaluator.type_embedding()
        if vectors.ndim != 2 or len(vectors) < self.get_ntypes() or not np.isfinite(vectors).all():
            raise ModelFileError(
                f"{self.model_file}: its type embedding is not one vector per type"
            )
        return vectors

    def get_type_map(self) -> list[str]:
        """Give the names of the types; an empty list where they are numbers only."""
        return list(self._facts.type_map)

    def get_ntypes(self) -> int:
        """Give the number of types."""
        return self._facts.ntypes

    def get_rcut(self) -> float:
        """Give the cutoff radius in Å."""
        return self._facts.rcut

    def get_dim_fparam(self) -> int:
        """Give the number of frame parameters."""
        return self._facts.dim_fparam

    def get_dim_aparam(self) -> int:
        """Give the number of atomic parameters."""
        return self._facts.dim_aparam

    def get_sel_type(self) -> np.ndarray:
        """Give the types that have an atomic result; empty, which means all of them."""
        return np.zeros(0)

    def get_ntypes_spin(self) -> int:
        """Give the number of types with a spin: none."""
        return 0

    def get_model_def_script(self) -> dict:
        """Give the model section of the input that the model was trained with."""
        if self._facts.model_script is None:
            raise ModelFileError(f"{self.model_file}: carries no training script")
        return self._facts.model_script

    @property
    def has_efield(self) -> bool:
        """Whether the model takes an external field: never."""
        return False

    @property
    def has_spin(self) -> bool:
        """Whether the model has spins: never."""
        return False

    @property
    def has_hessian(self) -> bool:
        """Whether the model gives a Hessian: never."""
        return False

    def frames(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
    ) -> Frames:
        """Check frames, for :meth:`evaluate`.

        Args:
            coords, cells, atom_types, fparam, aparam, mixed_type: As for :meth:`eval`.

        Raises:
            DataError: If an argument does not fit the model or is not finite.
        """
        return as_frames(
            coords,
            cells,
            atom_types,
            fparam=fparam,
            aparam=aparam,
            mixed_type=mixed_type,
            ntypes=self.get_ntypes(),
            dim_fparam=self.get_dim_fparam(),
            dim_aparam=self.get_dim_aparam(),
        )

    def _vectors(self, name: str, frames: Frames) -> np.ndarray:
        """A vector of every atom, ``[nframes, natoms, width]``."""
        out = {name: np.zeros((*frames.atype.shape, 0))}
        self._evaluator.fill(frames, out)
        return out[name]


def result_dtype(name: str) -> DTypeLike:
    """The type of results that the argument ``dtype`` asks for.

    Raises:
        ValueError: It is none of `DTYPES`.
    """
    if name not in DTYPES:
        raise ValueError(f"dtype must be one of {list(DTYPES)}, not {name!r}")
    return DTYPES[name]


def _refuse(kwargs: dict) -> None:
    # What deepmd.infer.DeepPot takes for other kinds of models, such as efield or spin.
    for name, value in kwargs.items():
        if value is not None and value is not False:
            raise TypeError(f"the argument {name!r} is not supported")
