"""Small models and batches for tests."""

import numpy as np

from deepattn.config import ModelConfig, normalize_model
from deepattn.models import build_model

TYPE_MAP = ["O", "H"]


def dpa2(repinit=None, repformer=None, **descriptor):
    """A descriptor section of DPA-2 with every block, small nets and a descriptor 24 wide."""
    lists = {"rcut": 3.0, "rcut_smth": 0.5, "nsel": 30, "neuron": [3, 6], "axis_neuron": 2}
    lists |= {"tebd_dim": 4, "use_three_body": True, "three_body_neuron": [2, 4]}
    lists |= {"three_body_rcut": 2.2, "three_body_rcut_smth": 1.0, "three_body_sel": 10}
    sizes = {"rcut": 2.5, "rcut_smth": 0.5, "nsel": 20, "nlayers": 2, "g1_dim": 20, "g2_dim": 5}
    sizes |= {"attn1_hidden": 3, "attn1_nhead": 2, "attn2_hidden": 4, "attn2_nhead": 2}
    return {
        "type": "dpa2",
        "repinit": lists | (repinit or {}),
        "repformer": sizes | (repformer or {}),
        "seed": 1,
        **descriptor,
    }


def model_section(descriptor=None, fitting=None, **model):
    """A model section with small nets; ``type`` of the descriptor decides its ``sel``."""
    descriptor = {"type": "se_atten", **(descriptor or {})}
    nets = {"rcut": 3.0, "rcut_smth": 0.5, "neuron": [4, 8], "axis_neuron": 3, "seed": 1}
    if descriptor["type"] == "se_e2_a":
        descriptor = {**nets, "sel": [4, 6], **descriptor}
    elif descriptor["type"] != "dpa2":
        descriptor = {**nets, "sel": 10, "attn": 5, "attn_layer": 1, **descriptor}
    return {
        "type_map": TYPE_MAP,
        "descriptor": descriptor,
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
