"""What models of all kinds have in common once they are opened."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
import os
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from deepattn.errors import ModelFileError
from deepattn.infer.batches import atoms_per_batch
from deepattn.infer.evaluator import Evaluator
from deepattn.infer.feeds import DESCRIBED, LAST_LAYER
from deepattn.infer.forks import note_opened, refuse_forked
from deepattn.infer.frames import Frames, as_frames
from deepattn.models.files import ModelFile, open_model_file
from deepattn.uncertainty import Uncertainty

if TYPE_CHECKING:
    from ase.neighborlist import NewPrimitiveNeighborList
    from typing_extensions import Self

DTYPES = {"native": np.float64, "fp32": np.float32, "fp64": np.float64}


class DeepEval:
    """A model read from a file; a subclass for each kind gives its results.

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
        uncertainty: As for `DeepPot`.
        **kwargs: Further arguments of DeePMD-kit, accepted as long as they ask for nothing.

    Class attributes:
        reader: Name by which fittings refer to the class; None for one that opens all models.

    Raises:
        ModelFileError: If the file is missing, damaged or unsafe, or the model is of another kind.
        ForkError: If the process was forked from one that has opened a model.
    """

    reader: ClassVar[str | None] = None

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
        refuse_arguments(kwargs)
        self.model_file = str(model_file.path if isinstance(model_file, ModelFile) else model_file)
        self.neighbor_list = neighbor_list
        refuse_forked()
        file = open_model_file(model_file, head)
        if self.reader not in (None, file.fitting_kind.reader):
            raise ModelFileError(
                f"{file.path}: is a model of {file.fitting_kind.subject}, not for {self.reader}; "
                f"open it with {file.fitting_kind.reader}"
            )
        self._evaluator = Evaluator(
            file,
            numb_atoms=1 if neighbor_list else atoms_per_batch(auto_batch_size),
            neighbor_list=neighbor_list,
            uncertainty=uncertainty,
        )
        self._facts = self._evaluator.facts
        finds_neighbors = {
            "takes magnetic moments": self._facts.has_spin,
            "evaluates parts of frames": self._facts.of_residues,
            "sees all atoms of a frame": bool(self._facts.composition),
        }
        for what, holds in finds_neighbors.items():
            if holds and neighbor_list is not None:
                raise ModelFileError(
                    f"{self.model_file}: {what}, so it finds neighbors by itself; omit "
                    "neighbor_list"
                )
        self._has_hessian = file.has_hessian
        note_opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release what TensorFlow holds for the model."""
        self._evaluator.close()

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
        refuse_arguments(kwargs)
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
        refuse_arguments(kwargs)
        kind = result_dtype(dtype)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        return self._vectors(LAST_LAYER, frames).astype(kind, copy=False)

    def eval_embedding(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
        dtype: str = "fp32",
        **kwargs: Any,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Evaluate feature vectors of atoms and frames in one pass.

        The model is rebuilt for it from the weights in its file.

        Args:
            dtype: ``fp32``, ``fp64``, or ``native``, which is float64.
            coords, cells, atom_types, fparam, aparam, mixed_type, kwargs: As for :meth:`eval`.

        Returns:
            The descriptor ``[nframes, natoms, width]``, with the type embedding of the atom where
            the fitting net gets both; the result of :meth:`eval_fitting_last_layer`; and the sum of
            the latter over the atoms that contribute, ``[nframes, width of the layer]``.

        Raises:
            DataError, ModelFileError: As for :meth:`eval_fitting_last_layer`.
        """
        refuse_arguments(kwargs)
        kind = result_dtype(dtype)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        descriptor, layer, summed = self.evaluate_embedding(frames)
        return descriptor.astype(kind), layer.astype(kind), summed.astype(kind)

    def evaluate_embedding(self, frames: Frames) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The results of :meth:`eval_embedding`, in float64, of frames that have been checked.

        Args:
            frames: The frames, as :func:`read_frames` returns them.
        """
        shape = frames.atype.shape
        vectors = {name: np.zeros((*shape, 0)) for name in (DESCRIBED, LAST_LAYER)}
        out = {**vectors, "atom_mask": np.zeros(shape)}
        self._evaluator.fill(frames, out)
        layer = out[LAST_LAYER]
        return out[DESCRIBED], layer, np.einsum("fa,faw->fw", out["atom_mask"], layer)

    def eval_typeebd(self) -> np.ndarray:
        """Evaluate the type embedding, ``[ntypes + 1, width]``; the last row is the padding's."""
        vectors = self._evaluator.type_embedding()
        if vectors.ndim != 2 or len(vectors) < self.get_ntypes() or not np.isfinite(vectors).all():
            raise ModelFileError(
                f"{self.model_file}: its type embedding is not one vector per type"
            )
        return vectors

    def get_type_map(self) -> list[str]:
        """Give the names of the elements; an empty list where types are numbers only."""
        count = len(self._facts.type_map) - len(self._facts.hosts)
        return self._facts.type_map[: max(count, 0)]

    @property
    def type_names(self) -> list[str]:
        """The names of all types, with those of the virtual atoms of magnetic moments."""
        return list(self._facts.type_map)

    def get_ntypes(self) -> int:
        """Give the number of types."""
        return self._facts.ntypes

    def get_rcut(self) -> float:
        """Give the cutoff radius in Å; a negative number where there is none."""
        return self._facts.rcut

    def get_dim_fparam(self) -> int:
        """Give the number of frame parameters."""
        return self._facts.dim_fparam

    def get_dim_aparam(self) -> int:
        """Give the number of atomic parameters."""
        return self._facts.dim_aparam

    def has_default_fparam(self) -> bool:
        """Say whether frames may lack frame parameters."""
        return self._facts.default_fparam is not None

    def get_default_fparam(self) -> list[float] | None:
        """Give the frame parameters of frames without any; None where they must be given."""
        return self._facts.default_fparam

    def get_sel_type(self) -> np.ndarray:
        """Give the types that have an atomic result; empty, which means all of them."""
        observable = self._facts.observable
        types = None if observable is None else observable.types
        return np.zeros(0) if types is None else np.array(types)

    def get_ntypes_spin(self) -> int:
        """Give the number of types of virtual atoms that stand for magnetic moments."""
        return len(self._facts.hosts)

    def get_model_def_script(self) -> dict:
        """Give the model section of the input that the model was trained with."""
        if self._facts.model_script is None:
            raise ModelFileError(f"{self.model_file}: carries no training script")
        return self._facts.model_script

    def frames(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
        spin: ArrayLike | None = None,
    ) -> Frames:
        """Check frames, for ``evaluate``.

        Args:
            coords, cells, atom_types, fparam, aparam, mixed_type, spin: As for :meth:`eval`.

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
            default_fparam=self.get_default_fparam(),
            spin=spin,
            has_spin=self.has_spin,
        )

    @property
    def has_spin(self) -> bool:
        """Whether the model takes magnetic moments as an argument."""
        return self._facts.has_spin

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


def refuse_arguments(kwargs: dict[str, Any]) -> None:
    """Refuse arguments that only other kinds of models have, such as efield or spin.

    Raises:
        TypeError: One asks for something.
    """
    for name, value in kwargs.items():
        if value is not None and value is not False:
            raise TypeError(f"the argument {name!r} is not supported")
