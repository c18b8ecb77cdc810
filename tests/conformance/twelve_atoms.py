"""A system of one frame of twelve atoms in no order, and short trainings on it."""

import numpy as np

from .systems import CUBIC, TYPE_MAP, scatter

NATOMS = 12


def write_twelve_atoms(folder, labels):
    """Write the system.

    Args:
        folder: Where it is written.
        labels: From a random generator its labels by name.
    """
    rng = np.random.default_rng(41)
    atype = [0, 1, 2, 1, 0, 2, 1, 0, 1, 2, 0, 1]
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text(" ".join(map(str, atype)) + "\n")
    (folder / "type_map.raw").write_text(" ".join(TYPE_MAP) + "\n")
    arrays = {
        "coord": scatter(rng, CUBIC, NATOMS, closest=1.2, periodic=True),
        "box": CUBIC,
        **labels(rng),
    }
    for name, array in arrays.items():
        np.save(data / f"{name}.npy", array.reshape(1, -1))
    return folder


def training_input(model, loss, system, steps):
    """An input whose learning rate falls, and that prints every step."""
    return {
        "model": model,
        "learning_rate": {"type": "exp", "start_lr": 2e-3, "stop_lr": 1e-5, "decay_steps": 7},
        "loss": loss,
        "training": {
            "training_data": {"systems": [str(system)], "batch_size": 1},
            "numb_steps": steps,
            "disp_freq": 1,
            "save_freq": steps,
            "seed": 3,
        },
    }
