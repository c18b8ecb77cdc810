"""Evaluation of checked frames, batch by batch, by what runs a model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from deepattn.data.residues import check_residues
from deepattn.data.type_map import names_or_numbers
from deepattn.data.virtual_atoms import check_virtual_atoms
from deepattn.data.whole_frames import check_whole_frames
from deepattn.errors import DataError, ModelFileError
from deepattn.infer.batches import Batch, make_batches
from deepattn.infer.checks import NeighborCheck, check_finite, overlap, without_moment
from deepattn.infer.feeds import HESSIAN, IN_KERAS, OF_FRAMES, SHARED, make_feed
from deepattn.infer.forks import refuse_forked
from deepattn.infer.frames import Frames
from deepattn.infer.graph_runner import reason
from deepattn.infer.keras_runner import KerasRunner
from deepattn.infer.opening import Runner, make_runner
from deepattn.infer.uncertainty import UNCERTAINTIES, open_uncertainty
from deepattn.models.files import ModelFile
from deepattn.uncertainty import Uncertainty

if TYPE_CHECKING:
    from ase.neighborlist import NewPrimitiveNeighborList


class Evaluator:
    """A model that frames can be evaluated with.

    Args:
        file: The model.
        numb_atoms: Atoms in a batch at most, though never less than a frame; None for no limit.
        neighbor_list: ASE's ``NewPrimitiveNeighborList`` that finds the neighbors; None leaves
            that to the model.
        uncertainty: Its uncertainty or a file of it; None for the file beside the model.

    Attributes:
        runner: What runs it.
        facts: Its description.
    """

    def __init__(
        self,
        file: ModelFile,
        *,
        numb_atoms: int | None,
        neighbor_list: NewPrimitiveNeighborList | None,
        uncertainty: str | os.PathLike | Uncertainty | None,
    ) -> None:
        self.runner, self.facts = make_runner(file)
        self._file = file
        observable = self.facts.observable
        self._of_frames = {*OF_FRAMES, *([] if observable is None else [observable.name])}
        self._numb_atoms = numb_atoms
        self._neighbor_list = neighbor_list
        self._uncertainty = uncertainty
        self._in_keras: Runner | None = None
        self._neighbors_reported = 0

    @property
    def uncertainty(self) -> Uncertainty:
        """The uncertainty of the model.

        Raises:
            ModelFileError: There is none, or it belongs to another model.
        """
        if not isinstance(self._uncertainty, Uncertainty):
            self._uncertainty = open_uncertainty(self._file, self._uncertainty)
        return self._uncertainty

    def _estimate(self, results: dict[str, np.ndarray], batch: Batch) -> dict[str, np.ndarray]:
        """The uncertainties of the atoms of a batch, by their names."""
        uncertainty, atype = self.uncertainty, batch.atype
        if "distance" in results:
            distance = uncertainty.distance.of_known(results["distance"], atype)
        else:
            self._check_uncertainty(results["descriptor"].shape[-1])
            distance = uncertainty.distances(results["descriptor"], atype)
        if np.isnan(distance).any():
            check_finite("descriptor", distance, batch)
        error = uncertainty.errors(distance, results["force"], atype)
        return dict(zip(UNCERTAINTIES, (error, distance), strict=True))

    def _check_uncertainty(self, width: int) -> None:
        """Check that the uncertainty is for descriptors of this width and for the model's types.

        Raises:
            ModelFileError: It is that of a model of another shape.
        """
        uncertainty = self.uncertainty
        found = (len(uncertainty.distance.basis), len(uncertainty.calibration.scale))
        wanted = (width, self.facts.ntypes)
        if found != wanted:
            raise ModelFileError(
                f"the uncertainty of {self._file.path} is for descriptors of {found[0]} numbers "
                f"and {found[1]} types, but the model has {wanted[0]} and {wanted[1]}; make it "
                "again with 'deepattn uncertainty fit'"
            )

    def close(self) -> None:
        """Release what TensorFlow holds for the model."""
        self.runner.close()
        if self._in_keras is not None:
            self._in_keras.close()

    def type_embedding(self) -> np.ndarray:
        """The type embedding, ``[ntypes + 1, width]``.

        Raises:
            ModelFileError: The model has none.
        """
        refuse_forked()
        try:
            return self.runner.type_embedding()
        except tf.errors.OpError as error:
            raise ModelFileError(
                f"{self._file.path}: its type embedding cannot be evaluated: {reason(error)}"
            ) from None

    def fill(self, frames: Frames, out: dict[str, np.ndarray]) -> None:
        """Fill the arrays of ``out``, all zero, by the names of docs/architecture.md.

        Raises:
            DataError: A frame cannot be evaluated.
            ModelFileError: The model cannot be run, or does not give what is asked for.
        """
        refuse_forked()
        names = names_or_numbers(self.facts.type_map, self.facts.ntypes)
        check_virtual_atoms(frames.atype, self.facts.hosts, names, "the frames")
        if self.facts.composition and frames.aparam is not None:
            mask, composition = frames.aparam[..., 0], self.facts.composition
            check_whole_frames(frames.atype, mask, composition, names, "the frames")
        if self.facts.of_residues:
            self._check_parts(frames, out)
        if UNCERTAINTIES[0] in out:
            self.uncertainty  # noqa: B018  # is it there? Before the work
        while True:
            neighbors = NeighborCheck(self.facts.rcut, self.facts.sel, names)
            try:
                for batch in self._batches(frames, self._numb_atoms):
                    neighbors.add(batch)
                    self._run(batch, out)
            except tf.errors.ResourceExhaustedError:
                self._take_fewer_atoms(frames, out)
                continue
            self._neighbors_reported = neighbors.report(reported=self._neighbors_reported)
            return

    def _check_parts(self, frames: Frames, out: Mapping[str, np.ndarray]) -> None:
        """Check frames of which parts are evaluated.

        Raises:
            DataError: Their atomic parameters are no residues.
            ModelFileError: Something is wanted that an atom has in each part that it is in.
        """
        several = [name for name in ("descriptor", *IN_KERAS, *UNCERTAINTIES) if name in out]
        if several:
            raise ModelFileError(
                f"{self._file.path}: evaluates parts of frames (pairwise_dprc), so there is no "
                f"{several[0]} of an atom; use a model of another type"
            )
        if frames.aparam is not None:
            check_residues(frames.aparam, frames.atype, "the frames")

    def _batches(self, frames: Frames, numb_atoms: int | None) -> Iterator[Batch]:
        return make_batches(
            frames,
            numb_atoms,
            uniform=self.runner.needs_uniform_frames,
            as_they_are=self.runner.sees_order,
        )

    def _take_fewer_atoms(self, frames: Frames, out: dict[str, np.ndarray]) -> None:
        """Halve the batches after one was too large, unless a single frame is.

        Raises:
            DataError: There is not enough memory for a frame.
        """
        natoms = frames.atype.shape[1]
        too_large = DataError(
            f"there is not enough memory to evaluate a frame of {natoms} atoms with "
            f"{self._file.path}"
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
        feed = make_feed(batch, self.facts.ntypes, self._neighbor_list)
        wanted = [name for name in out if name not in UNCERTAINTIES]
        estimated = len(wanted) < len(out)
        if estimated and "descriptor" not in wanted:
            if self.runner.distance_width:
                self._check_uncertainty(self.runner.distance_width)
                feed = replace(feed, distance=self.uncertainty.distance)
            wanted.append("distance" if self.runner.distance_width else "descriptor")
        try:
            results = dict(zip(wanted, self._runner_of(wanted).run(feed, wanted), strict=True))
        except tf.errors.ResourceExhaustedError:
            raise
        except tf.errors.OpError as error:
            close = overlap(batch) or without_moment(batch)
            if close:
                raise DataError(f"the frames cannot be evaluated{close}") from None
            raise ModelFileError(
                f"{self._file.path}: the model cannot be run: {reason(error)}"
            ) from None
        for name, values in results.items():
            if name in out:
                check_finite(name, values, batch)
            if name in SHARED:
                results[name] = feed.fold(values)
        if estimated:
            results |= self._estimate(results, batch)
        for name in out:
            values = results[name]
            if name in self._of_frames:
                out[name][batch.frames] = values
                continue
            if name == HESSIAN:
                batch.scatter_pairs(values, out[name])
                continue
            if out[name].shape[2:] != values.shape[2:]:  # the width of a descriptor
                out[name] = np.zeros((*out[name].shape[:2], *values.shape[2:]))
            batch.scatter(values, out[name])

    def _runner_of(self, wanted: Sequence[str]) -> Runner:
        """What gives some outputs: the runner of the file, unless only Keras models have one.

        Raises:
            ModelFileError: The model cannot be rebuilt for it, such as a compressed one.
        """
        if not set(IN_KERAS) & set(wanted) or isinstance(self.runner, KerasRunner):
            return self.runner
        if self._in_keras is None:
            self._in_keras = KerasRunner(self._file.build(), str(self._file.path))
        return self._in_keras
