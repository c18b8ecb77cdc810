"""Small models with random weights as files of every kind, and systems to evaluate them on."""

import numpy as np

from deepattn.config import Config, normalize
from deepattn.export import freeze
from deepattn.formats.checkpoint import write_checkpoint
from deepattn.models import build_model

ATTENTION = {"type": "se_atten", "sel": 30, "attn": 5, "attn_layer": 1, "axis_neuron": 3}
TWO_BODY = {"type": "se_e2_a", "sel": [14, 28], "axis_neuron": 3}


class Files:
    """One model: a frozen graph and a checkpoint of the same weights."""

    def __init__(self, folder, descriptor, fitting=None, type_map=("O", "H")):
        descriptor = {"rcut": 3.0, "rcut_smth": 0.5, "neuron": [4, 8], "seed": 1, **descriptor}
        section = {
            "type_map": list(type_map),
            "descriptor": descriptor,
            "fitting_net": {"neuron": [6, 6], "seed": 2, **(fitting or {})},
        }
        script = normalize(
            {
                "model": section,
                "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-8},
                "loss": {"type": "ener"},
                "training": {"training_data": {"systems": ["."]}, "numb_steps": 1},
            }
        )
        model = build_model(Config.from_dict(script).model)
        self.graph = folder / "model.pb"
        freeze(model, self.graph, training_script=script, min_nbor_dist=0.9)
        arrays = {f"weights/{name}": array for name, array in model.get_arrays().items()}
        header = {"config": script, "interface_dtype": "float64", "min_nbor_dist": 0.9}
        self.checkpoint = write_checkpoint(str(folder / "model.ckpt"), 1, arrays, header, keep=1)


def write_system(folder, frames, *, mixed=None, absent=()):
    """Write frames with random labels; ``mixed`` has the types of every frame."""
    coords, cells, types = frames
    nframes, natoms = coords.shape[:2]
    rng = np.random.default_rng(len(str(folder)))
    (folder / "set.000").mkdir(parents=True)
    arrays = {
        "coord": coords.reshape(nframes, -1),
        "box": cells,
        "energy": rng.normal(size=nframes),
        "force": rng.normal(size=(nframes, 3 * natoms)),
        "virial": rng.normal(size=(nframes, 9)),
        "atom_ener": rng.normal(size=(nframes, natoms)),
        "atom_pref": rng.uniform(size=(nframes, natoms)),
        "fparam": rng.normal(size=(nframes, 2)),
        "aparam": rng.normal(size=(nframes, natoms)),
    }
    if mixed is not None:
        arrays["real_atom_types"] = mixed
        types = np.zeros(natoms, int)
    for name, array in arrays.items():
        if name not in absent:
            np.save(folder / "set.000" / f"{name}.npy", array)
    np.savetxt(folder / "type.raw", types, fmt="%d")
    (folder / "type_map.raw").write_text("O\nH\n")
    return folder
