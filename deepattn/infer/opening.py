"""From a model file to what runs it: the graph in the file, or a Keras model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Protocol

import numpy as np

from deepattn.config.constraints import is_finite
from deepattn.config.observable import Observable
from deepattn.errors import ModelFileError
from deepattn.formats.frozen import NO_CUTOFF
from deepattn.formats.saved_model import NEIGHBOR_RCUT
from deepattn.infer.feeds import Feed
from deepattn.infer.graph_runner import GraphRunner, has_ops
from deepattn.infer.keras_runner import KerasRunner
from deepattn.infer.saved_model_runner import SavedModelRunner
from deepattn.models.files import ModelFile
from deepattn.models.files.frozen import FrozenFile
from deepattn.models.files.saved_model import SavedModelFile
from deepattn.models.spin_model import SpinModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """The description of a model that evaluation needs.

    Attributes:
        type_map: names of the types; empty if they have none.
        ntypes: number of types.
        rcut: cutoff radius, Å.
        sel: numbers of neighbor slots: one, or one for each type.
        dim_fparam: number of frame parameters.
        dim_aparam: number of atomic parameters.
        default_fparam: frame parameters of frames without any; None where they must be given.
        hosts: the type that each type of virtual atoms belongs to, which are the last types.
        composition: numbers of atoms of each type that all frames have, of which the atomic
            parameter tells the masked ones; empty where frames may differ.
        has_spin: whether it takes magnetic moments, of which it makes virtual atoms.
        of_residues: whether its atomic parameter is the residue of an atom, of whose parts it is
            made.
        interface_dtype: precision of coordinates and forces.
        model_script: the model section of the input; None if the file does not hold it.
        observable: what it gives besides energies; None for energies.
    """

    type_map: list[str]
    ntypes: int
    rcut: float
    sel: list[int]
    dim_fparam: int
    dim_aparam: int
    interface_dtype: str
    model_script: dict | None
    observable: Observable | None = None
    default_fparam: list[float] | None = None
    hosts: tuple[int, ...] = ()
    has_spin: bool = False
    composition: tuple[int, ...] = ()
    of_residues: bool = False


class Runner(Protocol):
    """An evaluation of a model that has been set up.

    Attributes:
        needs_uniform_frames: whether the frames of a batch must have the same atoms, sorted by
            type.
        sees_order: whether the order of the atoms in a frame may matter.
        distance_width: width of the descriptors whose ``distance`` it gives, by the one in a feed;
            0 if it gives descriptors only.
    """

    distance_width: int

    @property
    def needs_uniform_frames(self) -> bool: ...

    @property
    def sees_order(self) -> bool: ...

    def run(self, feed: Feed, names: Sequence[str]) -> list[np.ndarray]:
        """Evaluate outputs by the names in docs/architecture.md, shaped as they are there."""

    def type_embedding(self) -> np.ndarray:
        """The type embedding, ``[ntypes + 1, width]``."""

    def close(self) -> None:
        """Release what TensorFlow holds."""


@singledispatch
def make_runner(file: ModelFile) -> tuple[Runner, Facts]:
    """Set up the evaluation of the model in a file: by default as a Keras model.

    A kind of file that is run in another way registers a function: ``make_runner.register``.
    """
    model = file.build()
    default = model.fitting.default_fparam
    spin = model.spin if isinstance(model, SpinModel) else None
    given = spin if spin is not None and spin.given_moments else None
    # The cutoff of a linear combination may be that of another model, and parts of frames are not
    # counted.
    counted = model.rcut == model.descriptor.rcut and not model.of_residues
    sel = np.ravel(model.descriptor.sel).tolist() if counted else []
    whole = model.fitting.aparam_is_mask
    ntypes = model.ntypes if given is None else len(given.use_spin)
    facts = Facts(
        type_map=list(model.type_map[:ntypes]),
        ntypes=ntypes,
        rcut=model.rcut,
        # Neighbors are counted without virtual atoms.
        sel=[] if whole else sel[:ntypes],
        dim_fparam=model.fitting.numb_fparam,
        dim_aparam=model.numb_aparam,
        interface_dtype=model.interface_dtype,
        model_script=file.model_section(),
        observable=file.observable,
        default_fparam=None if default is None else list(default),
        hosts=() if spin is None or given is not None else spin.hosts,
        has_spin=given is not None,
        composition=tuple(sel) if whole else (),
        of_residues=model.of_residues,
    )
    return KerasRunner(model, str(file.path)), facts


@make_runner.register
def _(file: FrozenFile) -> tuple[Runner, Facts]:
    frozen = file.frozen
    whole = frozen.rcut == NO_CUTOFF
    # DeePMD-kit's own graphs of such models may lack the node.
    composition = tuple(frozen.sel) or file.stored().config.descriptor.composition if whole else ()
    facts = Facts(
        type_map=frozen.type_map,
        ntypes=frozen.ntypes,
        rcut=frozen.rcut,
        sel=[] if whole else frozen.sel,
        dim_fparam=frozen.dfparam,
        dim_aparam=frozen.daparam,
        interface_dtype=frozen.interface_dtype,
        model_script=file.model_section(),
        observable=file.observable,
        default_fparam=_default_fparam(file, frozen.dfparam),
        hosts=tuple(range(frozen.ntypes_spin)),
        composition=composition,
        of_residues=frozen.of_residues,
    )
    if has_ops(frozen):
        return GraphRunner(frozen, facts.observable), facts
    if frozen.model_type == "compressed_model":
        if frozen.graph.is_only_rebuilt:
            raise ModelFileError(
                f"{file.path}: is compressed with operations that deepattn does not run; use the "
                "model it was compressed from"
            )
        raise ModelFileError(
            f"{file.path}: is compressed and needs the compiled ops, which are missing; build them "
            "with: python -m deepattn.ops.build"
        )
    if frozen.graph.is_only_rebuilt:
        if frozen.lacks_derivatives:
            _warn_of_derivatives(file.path)
    elif file.stored().config.descriptor.excluded_otherwise_before_3:
        _warn_of_exclusion(file.path)
    return KerasRunner(file.build(), str(file.path)), facts


@make_runner.register
def _(file: SavedModelFile) -> tuple[Runner, Facts]:
    saved = file.saved
    rcut = NEIGHBOR_RCUT if NEIGHBOR_RCUT in saved.facts else "get_rcut"
    facts = Facts(
        type_map=file.type_map(),
        ntypes=len(file.type_map()),
        rcut=float(saved.number(rcut)),
        sel=saved.integers("get_sel"),
        dim_fparam=int(saved.number("get_dim_fparam")),
        dim_aparam=int(saved.number("get_dim_aparam")),
        interface_dtype="float64",
        model_script=file.model_section(),
        default_fparam=_default_fparam(file, int(saved.number("get_dim_fparam"))),
    )
    return SavedModelRunner(saved), facts


def _default_fparam(file: ModelFile, width: int) -> list[float] | None:
    """The frame parameters of frames without any, which the section of the input has.

    Raises:
        ModelFileError: They are not as many numbers as the model takes.
    """
    fitting = (file.model_section() or {}).get("fitting_net")
    values = fitting.get("default_fparam") if isinstance(fitting, dict) else None
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != width or not all(map(is_finite, values)):
        raise ModelFileError(
            f"{file.path}: model/fitting_net/default_fparam in it is not a list of {width} numbers"
        )
    return [float(value) for value in values]


def _warn_of_exclusion(path: Path) -> None:
    """Warn that a rebuilt model may differ: attention in DeePMD-kit 2.x saw excluded neighbors."""
    log.warning(
        "%s: the compiled ops are missing, so the model is rebuilt, with the rule of DeePMD-kit 3 "
        "for exclude_types in attention; a graph from 2.x gives other numbers when it is run as it "
        "is (build the ops with: python -m deepattn.ops.build)",
        path,
    )


def _warn_of_derivatives(path: Path) -> None:
    """Warn that a rebuilt model has other forces: those of the graph are not all of them."""
    log.warning(
        "%s: an early DeePMD-kit wrote it, whose forces are not the whole derivative of the energy "
        "(that of the switch is missing); the model is rebuilt, with the same energies and their "
        "whole derivative",
        path,
    )
