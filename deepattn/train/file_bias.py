"""Changing the energy bias of a model file without training."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from deepattn.config import DataConfig
from deepattn.data import DataSet
from deepattn.data.type_map import names_or_numbers
from deepattn.errors import DataError
from deepattn.formats.files import check_folder, write_whole
from deepattn.infer import DeepPot
from deepattn.infer.trial import try_graph
from deepattn.models.files import ModelFile, open_model_file
from deepattn.statistics.energy_bias import fit_energies, sample_errors
from deepattn.train.initialize.finetune import log_type_table, named_types, predict_energies

log = logging.getLogger(__name__)

MODES = ("change", "set")


def change_bias(
    model_file: str | os.PathLike | ModelFile,
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
        model_file: A frozen graph, a ``.dp`` or YAML file, or a checkpoint.
        output: File of the same kind to write.
        energies: Bias by element, eV, elements that are not named keep theirs; or one number for
            each type.
        systems: In place of ``energies``, labeled systems to fit the bias to; it changes for the
            elements they have.
        mode: With systems, ``change`` adds what makes up for the errors of the model, ``set`` fits
            the labels themselves, as if the network gave nothing.
        numb_frames: Frames to take of each system, at random; 0 takes all.
        head: Name or alias of the branch of a multi-task checkpoint; the others stay as they are.

    Returns:
        Bias before and after by element, eV.

    Raises:
        DataError: An element is unknown to the model or an energy not finite; the systems do not
            name their elements, or none has an energy.
        ModelFileError: The file is no model, or keeps its bias where it cannot be changed.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {list(MODES)}, not {mode!r}")
    check_folder(output)
    file = open_model_file(model_file, head)
    present = file.energy_bias()
    if energies is not None:
        bias = _assigned(file, present, energies)
    else:
        bias = _fitted(file, present, systems, mode, numb_frames)
    content = file.with_energy_bias(bias).encode(Path(output))
    with write_whole(output) as stream:
        stream.write(content)
        if file.runs_as_it_is:
            stream.flush()
            try_graph(stream.name, output)
    pairs = zip(present.tolist(), bias.tolist(), strict=True)
    return dict(zip(_names(file, present), pairs, strict=True))


def _names(file: ModelFile, bias: np.ndarray) -> list[str]:
    """Names of the types: elements, or numbers."""
    return names_or_numbers(file.type_map(), len(bias))


def _assigned(
    file: ModelFile, present: np.ndarray, energies: Mapping[str, float] | Sequence[float]
) -> np.ndarray:
    names = _names(file, present)
    if not isinstance(energies, Mapping):
        if len(energies) != len(names):
            raise DataError(
                f"{len(energies)} energies are given, but the model has {len(names)} "
                f"types: {' '.join(names)}"
            )
        energies = dict(zip(names, energies, strict=True))
    bias = np.array(present, np.float64)
    for name, energy in energies.items():
        if name not in names:
            raise DataError(f"{name} is not one of the model's elements {' '.join(names)}")
        if not np.isfinite(energy):
            raise DataError(f"the energy of {name} is {energy}, which is not a finite number")
        bias[names.index(name)] = energy
    return bias


def _fitted(
    file: ModelFile, present: np.ndarray, systems: Sequence[str], mode: str, numb_frames: int
) -> np.ndarray:
    with DeepPot(file) as potential:
        data = DataSet(
            DataConfig(
                systems=tuple(systems),
                rglob_patterns=None,
                batch_size="auto",
                auto_prob="prob_sys_size",
                sys_probs=None,
            ),
            file.type_map(),
            numb_fparam=potential.get_dim_fparam(),
            default_fparam=potential.get_default_fparam(),
            numb_aparam=potential.get_dim_aparam(),
            labels=("energy",),
            seed=0,
        )
        names = _names(file, present)
        if file.type_map():
            log_type_table(data, named_types(data))
        else:
            data.check_types(len(names), f"the model has 0 to {len(names) - 1}")
        predict = partial(predict_energies, potential) if mode == "change" else _nothing
        counts, errors = sample_errors(
            *(data, predict),
            nsample=numb_frames,
            targets=range(len(names)),
            names=names,
            excluded=(file.model_section() or {}).get("atom_exclude_types", ()),
        )
    if not errors.size:
        raise DataError(f"no frame of {', '.join(systems)} has an energy to fit the bias to")
    fit = fit_energies(counts, errors)
    log.info("RMSE of atomic energy after linear regression is: %s eV/atom.", fit.rmse)
    present = np.array(present, np.float64)
    fitted = fit.bias + (present if mode == "change" else 0.0)
    return np.where(counts.any(axis=0), fitted, present)


def _nothing(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.zeros(len(inputs["coord"]))
