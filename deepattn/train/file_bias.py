"""Changing the energy bias of a model file without training."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from deepattn.config import DataConfig
from deepattn.data import DataSet
from deepattn.data.type_map import names_or_numbers
from deepattn.errors import DataError, ModelFileError
from deepattn.formats.checkpoint import read_checkpoint, write_arrays
from deepattn.formats.dp_file import is_dp_file, read_tree, write_tree
from deepattn.formats.files import check_folder, write_whole
from deepattn.formats.find import find_model
from deepattn.formats.frozen import FrozenModel, read_frozen
from deepattn.formats.weight_names import BIAS, OUT_BIAS
from deepattn.infer import DeepPot
from deepattn.infer.trial import try_graph
from deepattn.models.dpmodel import from_tree, set_bias
from deepattn.models.load import model_of_checkpoint, refuse_head
from deepattn.models.weights import refuse_scaled
from deepattn.statistics.energy_bias import fit_energies, sample_errors
from deepattn.train.initialize.finetune import log_type_table, named_types, predict_energies

log = logging.getLogger(__name__)

MODES = ("change", "set")


def change_bias(
    model_file: str | os.PathLike,
    output: str | os.PathLike,
    *,
    energies: Mapping[str, float] | Sequence[float] | None = None,
    systems: Sequence[str] = (),
    mode: str = "change",
    numb_frames: int = 0,
    head: str | None = None,
) -> dict[str, tuple[float, float]]:
    """Write a model file again with other energies of its elements, and all else as it was.

    Args:
        model_file: a frozen graph or a file of no backend, ours or DeePMD-kit's, or a checkpoint.
        output: file of the same kind to write.
        energies: bias by element, eV, elements that are not named keep theirs; or one number for
            each type.
        systems: in place of ``energies``, labeled systems to fit the bias to; it changes for the
            elements they have.
        mode: with systems, ``change`` adds what makes up for the errors of the model, ``set`` fits
            the labels themselves, as if the network gave nothing.
        numb_frames: frames to take of each system, at random; 0 takes all.
        head: name or alias of the branch, of a checkpoint of several tasks; the others stay.

    Returns:
        Bias before and after by element, eV.

    Raises:
        DataError: an element is unknown to the model or an energy not finite; the systems do not
            name their elements, or none has an energy.
        ModelFileError: the file is no model, or keeps its bias where it cannot be changed.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {list(MODES)}, not {mode!r}")
    check_folder(output)
    path = find_model(model_file)
    kind = _Frozen if path.suffix == ".pb" else _Neutral if is_dp_file(path) else _Checkpoint
    file: _ModelFile = kind.read(path, head)
    if energies is not None:
        bias = _assigned(file, energies)
    else:
        bias = _fitted(path, file, systems, mode, numb_frames, head)
    file.write(output, bias)
    pairs = zip(file.bias.tolist(), bias.tolist(), strict=True)
    return dict(zip(_names(file), pairs, strict=True))


class _ModelFile(Protocol):
    @property
    def type_map(self) -> list[str]: ...

    @property
    def bias(self) -> np.ndarray: ...

    def write(self, output: str | os.PathLike, bias: np.ndarray) -> None: ...


@dataclass(frozen=True)
class _Frozen:
    type_map: list[str]
    bias: np.ndarray
    model: FrozenModel

    @classmethod
    def read(cls, path: Path, head: str | None) -> _Frozen:
        refuse_head(head, path)
        model = read_frozen(path)
        refuse_scaled(model.weights, path)
        if BIAS not in model.weights or not model.graph.consumers(BIAS):
            raise ModelFileError(
                f"{path}: keeps its energy bias in its last layers, as DeePMD-kit did before 2.2; "
                "it can be changed by fine-tuning only"
            )
        return cls(model.type_map, model.weights[BIAS] + _out_bias(model), model)

    def write(self, output: str | os.PathLike, bias: np.ndarray) -> None:
        graph = self.model.graph.with_constant(BIAS, bias - _out_bias(self.model))
        with write_whole(output) as file:
            file.write(graph.serialize())
            file.flush()
            try_graph(file.name, output)


@dataclass(frozen=True)
class _Checkpoint:
    type_map: list[str]
    bias: np.ndarray
    name: str
    arrays: dict[str, np.ndarray]
    header: dict

    @classmethod
    def read(cls, path: Path, head: str | None) -> _Checkpoint:
        arrays, header = read_checkpoint(path)
        model = model_of_checkpoint(arrays, header, path, head=head)
        name = next(name for name, array in arrays.items() if array is model.arrays[BIAS])
        return cls(list(model.config.type_map), model.arrays[BIAS], name, arrays, header)

    def write(self, output: str | os.PathLike, bias: np.ndarray) -> None:
        bias = bias.astype(self.bias.dtype)
        write_arrays(output, {**self.arrays, self.name: bias}, self.header)


@dataclass(frozen=True)
class _Neutral:
    type_map: list[str]
    bias: np.ndarray
    tree: dict

    @classmethod
    def read(cls, path: Path, head: str | None) -> _Neutral:
        refuse_head(head, path)
        tree = read_tree(path)
        config, arrays, _ = from_tree(tree, str(path))
        return cls(list(config.type_map), arrays[BIAS], tree)

    def write(self, output: str | os.PathLike, bias: np.ndarray) -> None:
        write_tree(output, set_bias(self.tree, bias))


def _names(file: _ModelFile) -> list[str]:
    """What its types are called: elements, or numbers."""
    return names_or_numbers(file.type_map, len(file.bias))


def _out_bias(model: FrozenModel) -> np.ndarray | float:
    """What some graphs add to the bias."""
    return model.weights[OUT_BIAS].reshape(-1) if OUT_BIAS in model.weights else 0.0


def _assigned(file: _ModelFile, energies: Mapping[str, float] | Sequence[float]) -> np.ndarray:
    names = _names(file)
    if not isinstance(energies, Mapping):
        if len(energies) != len(names):
            raise DataError(
                f"{len(energies)} energies are given, but the model has {len(names)} "
                f"types: {' '.join(names)}"
            )
        energies = dict(zip(names, energies, strict=True))
    bias = np.array(file.bias, np.float64)
    for name, energy in energies.items():
        if name not in names:
            raise DataError(f"{name} is none of the model's elements {' '.join(names)}")
        if not np.isfinite(energy):
            raise DataError(f"the energy of {name} is {energy}, which is no number of eV")
        bias[names.index(name)] = energy
    return bias


def _fitted(
    path: Path,
    file: _ModelFile,
    systems: Sequence[str],
    mode: str,
    numb_frames: int,
    head: str | None,
) -> np.ndarray:
    with DeepPot(path, head=head) as potential:
        data = DataSet(
            DataConfig(
                systems=tuple(systems),
                rglob_patterns=None,
                batch_size="auto",
                auto_prob="prob_sys_size",
                sys_probs=None,
            ),
            file.type_map,
            numb_fparam=potential.get_dim_fparam(),
            numb_aparam=potential.get_dim_aparam(),
            labels=("energy",),
            seed=0,
        )
        names = _names(file)
        if file.type_map:
            log_type_table(data, named_types(data))
        else:
            data.check_types(len(names), f"the model has 0 to {len(names) - 1}")
        predict = partial(predict_energies, potential) if mode == "change" else _nothing
        counts, errors = sample_errors(
            data, predict, nsample=numb_frames, targets=range(len(names)), names=names
        )
    if not errors.size:
        raise DataError(f"no frame of {', '.join(systems)} has an energy to fit the bias to")
    fit = fit_energies(counts, errors)
    log.info("RMSE of atomic energy after linear regression is: %s eV/atom.", fit.rmse)
    present = np.array(file.bias, np.float64)
    fitted = fit.bias + (present if mode == "change" else 0.0)
    return np.where(counts.any(axis=0), fitted, present)


def _nothing(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.zeros(len(inputs["coord"]))
