"""Energies, forces and virials of frames from a model file."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from deepattn.data.type_map import names_or_numbers
from deepattn.errors import DataError, ModelFileError
from deepattn.infer.batches import Batch, atoms_per_batch, make_batches
from deepattn.infer.checks import NeighborCheck, check_finite, overlap
from deepattn.infer.feeds import make_feed
from deepattn.infer.forks import note_opened, refuse_forked
from deepattn.infer.frames import Frames, as_frames
from deepattn.infer.graph_runner import reason
from deepattn.infer.opening import open_model
from deepattn.models.files import ModelFile

if TYPE_CHECKING:
    from ase.neighborlist import NewPrimitiveNeighborList

DTYPES = {"native": None, "fp32": np.float32, "fp64": np.float64}


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
        **kwargs: Any,
    ):
        _refuse(kwargs)
        self.model_file = str(model_file.path if isinstance(model_file, ModelFile) else model_file)
        self.neighbor_list = neighbor_list
        self._numb_atoms = 1 if neighbor_list else atoms_per_batch(auto_batch_size)
        refuse_forked()
        self._runner, self._facts = open_model(model_file, head)
        note_opened()
        self._neighbors_reported = 0

    def __enter__(self) -> DeepPot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release what TensorFlow holds for the model."""
        self._runner.close()

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
        frames = self._frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        out = self.evaluate(frames, atomic=atomic)
        out["energy"] = out["energy"][:, None]
        if atomic:
            out["atom_energy"] = out["atom_energy"][:, :, None]
        return tuple(out.values())

    def evaluate(self, frames: Frames, *, atomic: bool = False) -> dict[str, np.ndarray]:
        """Evaluate frames that have been checked, as :func:`read_frames` returns them.

        Args:
            frames: The frames.
            atomic: Whether to give atomic energies and virials too.

        Returns:
            ``energy [nframes]`` in eV, ``force [nframes, natoms, 3]`` in eV/Å, ``virial
            [nframes, 9]`` in eV; with ``atomic`` also ``atom_energy [nframes, natoms]`` and
            ``atom_virial [nframes, natoms, 9]``.

        Raises:
            DataError: As for :meth:`eval`.
            ModelFileError: If TensorFlow cannot run the model.
        """
        nframes, natoms = frames.atype.shape
        shapes = {"energy": (nframes,), "force": (nframes, natoms, 3), "virial": (nframes, 9)}
        if atomic:
            shapes |= {"atom_energy": (nframes, natoms), "atom_virial": (nframes, natoms, 9)}
        dtypes = {"virial": self._facts.interface_dtype}
        out = {k: np.zeros(shape, dtypes.get(k, "float64")) for k, shape in shapes.items()}
        self._evaluate(frames, out)
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
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {list(DTYPES)}, not {dtype!r}")
        frames = self._frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        return self.evaluate_descriptor(frames).astype(DTYPES[dtype] or np.float64, copy=False)

    def evaluate_descriptor(self, frames: Frames) -> np.ndarray:
        """Evaluate the descriptor of every atom of frames that have been checked.

        Args:
            frames: The frames, as :func:`read_frames` returns them.

        Returns:
            ``[nframes, natoms, width]``.
        """
        out = {"descriptor": np.zeros((*frames.atype.shape, 0))}
        self._evaluate(frames, out)
        return out["descriptor"]

    def eval_typeebd(self) -> np.ndarray:
        """Evaluate the type embedding, ``[ntypes + 1, width]``; the last row is the padding's."""
        refuse_forked()
        try:
            vectors = self._runner.type_embedding()
        except tf.errors.OpError as error:
            raise ModelFileError(
                f"{self.model_file}: its type embedding cannot be evaluated: {reason(error)}"
            ) from None
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

    def _frames(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        fparam: ArrayLike | None,
        aparam: ArrayLike | None,
        mixed_type: bool,
    ) -> Frames:
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

    def _evaluate(self, frames: Frames, out: dict[str, np.ndarray]) -> None:
        """Fill the arrays of ``out``, all zero, by the names of docs/architecture.md."""
        refuse_forked()
        names = names_or_numbers(self._facts.type_map, self._facts.ntypes)
        while True:
            neighbors = NeighborCheck(self._facts.rcut, self._facts.sel, names)
            try:
                for batch in self._batches(frames, self._numb_atoms):
                    neighbors.add(batch)
                    self._run(batch, out)
            except tf.errors.ResourceExhaustedError:
                self._take_fewer_atoms(frames, out)
                continue
            self._neighbors_reported = neighbors.report(reported=self._neighbors_reported)
            return

    def _batches(self, frames: Frames, numb_atoms: int | None) -> Iterator[Batch]:
        return make_batches(
            frames,
            numb_atoms,
            uniform=self._runner.needs_uniform_frames,
            as_they_are=self._runner.sees_order,
        )

    def _take_fewer_atoms(self, frames: Frames, out: dict[str, np.ndarray]) -> None:
        """Halve the batches after one was too large, unless a single frame is.

        Raises:
            DataError: There is not enough memory for a frame.
        """
        natoms = frames.atype.shape[1]
        too_large = DataError(
            f"there is not enough memory to evaluate a frame of {natoms} atoms with "
            f"{self.model_file}"
        )
        if self._numb_atoms is not None and self._numb_atoms <= natoms:
            raise too_large
        self._numb_atoms = (self._numb_atoms or frames.atype.size) // 2
        if self._numb_atoms < 2 * natoms:
            return
        # TensorFlow waits 10 s for memory before it fails: better not at every size.
        try:
            self._run(next(self._batches(frames, 1)), out)
        except tf.errors.ResourceExhaustedError:
            raise too_large from None

    def _run(self, batch: Batch, out: dict[str, np.ndarray]) -> None:
        feed = make_feed(batch, self.get_ntypes(), self.neighbor_list)
        try:
            results = self._runner.run(feed, list(out))
        except tf.errors.ResourceExhaustedError:
            raise
        except tf.errors.OpError as error:
            close = overlap(batch)
            if close:
                raise DataError(f"the frames cannot be evaluated{close}") from None
            raise ModelFileError(
                f"{self.model_file}: the model cannot be run: {reason(error)}"
            ) from None
        for name, values in zip(out, results, strict=True):
            check_finite(name, values, batch)
            if name in ("energy", "virial"):
                out[name][batch.frames] = values
                continue
            if name in ("force", "atom_virial"):
                values = feed.fold(values)
            if out[name].shape[2:] != values.shape[2:]:  # the width of a descriptor
                out[name] = np.zeros((*out[name].shape[:2], values.shape[2]))
            batch.scatter(values, out[name])


def _refuse(kwargs: dict) -> None:
    # What deepmd.infer.DeepPot takes for other kinds of models, such as efield or spin.
    for name, value in kwargs.items():
        if value is not None and value is not False:
            raise TypeError(f"the argument {name!r} is not supported")
