"""Small models and batches for tests."""

import numpy as np

from deepattn.config import ModelConfig, normalize_model
from deepattn.models import build_model

TYPE_MAP = ["O", "H"]


def model_section(descriptor=None, fitting=None, **model):
    """A model section with small nets; ``type`` of the descriptor decides its ``sel``."""
    descriptor = {"type": "se_atten", **(descriptor or {})}
    if descriptor["type"] == "se_e2_a":
        descriptor = {"sel": [4, 6], **descriptor}
    else:
        descriptor = {"sel": 10, "attn": 5, "attn_layer": 1, **descriptor}
    return {
        "type_map": TYPE_MAP,
        "descriptor": {
            "rcut": 3.0,
            "rcut_smth": 0.5,
            "neuron": [4, 8],
            "axis_neuron": 3,
            "seed": 1,
            **descriptor,
        },
        "fitting_net": {"neuron": [6, 6], "seed": 2, **(fitting or {})},
        **model,
    }


def small_model(descriptor=None, fitting=None, *, interface_dtype="float64", **model):
    """A Keras model with small nets and random weights."""
    section = normalize_model(model_section(descriptor, fitting, **model))
    return build_model(ModelConfig.from_dict(section), interface_dtype=interface_dtype)


def small_batch(nframes=2, natoms=6, seed=0, dtype="float64"):
    """Inputs and labels of periodic frames with up to 8 atoms around the points of a lattice."""
    rng = np.random.default_rng(seed)
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T[:natoms]
    inputs = {
        "coord": (lattice + rng.normal(scale=0.2, size=(nframes, natoms, 3))).astype(dtype),
        "atype": rng.integers(0, 2, (nframes, natoms)).astype(np.int32),
        "box": np.tile(np.diag([4.0, 4.5, 5.0]).ravel(), (nframes, 1)).astype(dtype),
    }
    labels = {
        "energy": rng.normal(size=nframes),
        "force": rng.normal(size=(nframes, natoms, 3)),
        "virial": rng.normal(size=(nframes, 9)),
    }
    labels.update({f"find_{name}": np.ones(nframes) for name in list(labels)})
    return inputs, labels
