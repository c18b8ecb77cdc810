"""Feature vectors of systems in an HDF5 file: the work of ``deepattn embed``."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from deepattn.data import System
from deepattn.formats.files import write_whole
from deepattn.infer.deep_eval import DeepEval, result_dtype
from deepattn.infer.labeled import read_frames
from deepattn.models.files import ModelFile

_PACKED = {"compression": "gzip", "compression_opts": 9, "shuffle": True}


def write_embeddings(
    model: ModelFile | str | os.PathLike,
    systems: Sequence[str],
    path: str | os.PathLike,
    *,
    head: str | None = None,
    dtype: str = "fp32",
) -> Path:
    """Write the feature vectors of all frames of systems, as ``dp --pt embed`` does.

    The file has a group for each system, named by its folder, with ``_1`` and so on where the name
    is taken. In it are ``descriptor``, ``atomic_feature`` and ``structural_feature``, the results
    of `DeepEval.eval_embedding`, and ``atom_types``, int32 ``[frames, atoms]``.

    Args:
        model: a model file.
        systems: paths of the systems; labels are not needed.
        path: the HDF5 file.
        head: name or alias of the branch of a multi-task checkpoint.
        dtype: ``fp32``, ``fp64``, or ``native``, which is float64.

    Raises:
        DataError: a system is damaged.
        ModelFileError: the model cannot be read, run or rebuilt.
    """
    kind, path = result_dtype(dtype), Path(path)
    # In memory, so that the file appears at once when it is complete.
    content = io.BytesIO()
    with DeepEval(model, head=head) as potential, h5py.File(content, "w") as file:
        type_map = potential.type_names
        file.attrs["type_map"] = np.array(type_map, dtype=h5py.string_dtype())
        opened = [System(name, type_map=type_map, labeled=False) for name in systems]
        for name, system in zip(systems, opened, strict=True):
            frames, _ = read_frames(potential, system, np.arange(system.nframes))
            descriptor, layer, summed = potential.evaluate_embedding(frames)
            group = file.create_group(_free_name(file, name))
            group.attrs.update({"nframes": system.nframes, "system": str(name)})
            arrays = {
                "descriptor": descriptor.astype(kind),
                "atomic_feature": layer.astype(kind),
                "structural_feature": summed.astype(kind),
                "atom_types": frames.atype.astype(np.int32),
            }
            for label, array in arrays.items():
                group.create_dataset(label, data=array, **_PACKED)
    with write_whole(path) as stream:
        stream.write(content.getbuffer())
    return path


def _free_name(file: h5py.File, system: str) -> str:
    """The name of a system's folder, with a number where another system has it."""
    base = Path(system).name or "system"
    name, number = base, 0
    while name in file:
        number += 1
        name = f"{base}_{number}"
    return name
