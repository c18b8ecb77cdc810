"""The example inputs that come with DeePMD-kit 3.2.0, and short trainings made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# By the folder, what its TensorFlow backend trains and what its PyTorch backend trains.
TENSORFLOW = (
    "dos/train/input.json",
    "dprc/generalized_force/input.json",
    "dprc/normal/input.json",
    "dprc/pairwise/input.json",
    "fparam/train/input.json",
    "fparam/train/input_aparam.json",
    "nopbc/mixed/input.json",
    "nopbc/train/input.json",
    "spin/se_e2_a/input_tf.json",
    "water/d3/input.json",
    "water/hybrid/input.json",
    "water/se_atten/input.json",
    "water/se_atten_compressible/input.json",
    "water/se_atten_dpa1_compat/input.json",
    "water/se_e2_a/input.json",
    "water/se_e2_a_tebd/input.json",
    "water/se_e2_r/input.json",
    "water/se_e3/input.json",
    "water/zbl/input.json",
    "water_tensor/dipole/dipole_input.json",
    "water_tensor/polar/polar_input.json",
    "zinc_protein/zinc_se_a_mask.json",
)
PYTORCH = (
    "dos/train/input_torch.json",
    "hessian/multi_task/input.json",
    "hessian/single_task/input.json",
    "lmdb_downsample_data/input_lmdb.json",
    "property/train/input_torch.json",
    "spin/se_e2_a/input_torch.json",
    "water/d3/input_pt.json",
    "water/dpa2/input_torch_compressible.json",
    "water/dpa2/input_torch_large.json",
    "water/dpa2/input_torch_medium.json",
    "water/dpa2/input_torch_small.json",
    "water/linear/input_pt.json",
    "water/se_atten/input_torch.json",
    "water/se_e2_a/input_torch.json",
    "water/se_e2_a/input_torch_num_epoch.json",
    "water/se_e3_tebd/input_torch.json",
    "water_multi_task/pytorch_example/input_torch.json",
    "water_multi_task/pytorch_example/input_torch_num_epoch_dict.json",
    "water_multi_task/pytorch_example/input_torch_sharefit.json",
    "water_tensor/dipole/dipole_input_torch.json",
    "water_tensor/polar/polar_input_torch.json",
)
# Of these DeePMD-kit 3.2.0 fails to train one, and takes all neighbors for oxygen in the table of
# the other; test_linear.py and test_short_range.py have equal steps.
WITH_TABLES = ("water/d3/input.json", "water/zbl/input.json")
# Which DeePMD-kit 3.2.0 cannot train either: what it says, and what deepattn says.
REFUSED = {
    "water/linear/input.json": (
        "'NoneType' object has no attribute 'label_requirement'",
        "model/models has frozen models only, so there is nothing to train",
    ),
    "water/se_e2_a_mixed_prec/input.json": (
        "Unsupported mixed precision option",
        "training/mixed_precision/compute_prec is 'float16'",
    ),
}
# By the beginning of the path, what it is of.
OTHERS = {
    "nvnmd/": "non-von Neumann hardware",
    "population/": "populations",
    "property/train/input_dpa4.json": "DPA-4",
    "spin/dpa4/": "DPA-4",
    "water/dpa3/": "DPA-3",
    "water/dpa4/": "DPA-4",
    "water/dplr/": "long-range corrections",
    "water/ipi/water.json": "an input of i-PI",
    "water_multi_task/pytorch_example/input_torch_with_alias.json": "DPA-3",
}
_FILES = ("systems", "use_srtab", "tab_file", "model_file")
_STEPS = ("numb_steps", "numb_step", "num_steps", "num_step", "stop_batch")
_SETS = "set.*"


def short_input(path: Path, steps: int) -> dict[str, Any]:
    """An example as it is, but for a few steps, each printed, and with absolute paths."""
    data = json.loads(path.read_text())
    _change(data, _FILES, lambda value: _absolute(value, path.parent))
    training = data["training"]
    epochs = [key for key in training if "epoch" in key]
    for key in epochs:
        # Epochs stay epochs.
        value = training[key]
        training[key] = dict.fromkeys(value, 0.01) if isinstance(value, dict) else 0.01
    for key in _STEPS:
        training.pop(key, None)
    if not epochs:
        training["numb_steps"] = steps
    training |= {"disp_freq": 1, "save_freq": steps}
    return data


def one_frame(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """An input whose only data is the first frame of its first system.

    Which frames a step has is random, and other programs draw other ones.
    """
    given = data["training"]["training_data"]
    systems = given["systems"]
    folder_of_systems = Path(systems if isinstance(systems, str) else systems[0])
    # A folder is searched for systems.
    source = sorted(folder_of_systems.rglob("type.raw"))[0].parent
    target = folder / "frame"
    for file in (f for f in source.iterdir() if f.is_file()):
        target.mkdir(exist_ok=True)
        (target / file.name).write_bytes(file.read_bytes())
    kept = target / "set.000"
    kept.mkdir(exist_ok=True)
    first = sorted(source.glob(_SETS))[0]
    nframes = len(np.load(first / "coord.npy"))
    for file in first.glob("*.npy"):
        np.save(kept / file.name, np.load(file).reshape(nframes, -1)[:1])
    training = {k: v for k, v in data["training"].items() if k != "validation_data"}
    training["training_data"] = {"systems": [str(target)], "batch_size": 1}
    return {**data, "training": training}


def _absolute(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_absolute(one, folder) for one in value]
    path = (folder / value).resolve()
    return str(path) if path.exists() else value


def _change(section: Any, keys: tuple[str, ...], change: Callable[[Any], Any]) -> None:
    """Change the values of some keys everywhere in an input, in place."""
    if isinstance(section, list):
        for one in section:
            _change(one, keys, change)
    if not isinstance(section, dict):
        return
    for key, value in section.items():
        if key in keys:
            section[key] = change(value)
        else:
            _change(value, keys, change)
