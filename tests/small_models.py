"""Small models and batches for tests."""

import numpy as np

from deepattn.config import ModelConfig, normalize_model
from deepattn.models import build_model

TYPE_MAP = ["O", "H"]
# Descriptors whose slots belong to types, and those without axis_neuron.
BY_TYPE = ("se_e2_a", "se_a_ebd_v2", "se_e2_r", "se_e3")
WITHOUT_AXIS = ("se_e2_r", "se_e3", "se_e3_tebd")
# Two descriptors of different cutoffs, side by side.
HYBRID = {"type": "hybrid", "list": [{"type": "se_e2_a"}, {"type": "se_e2_r", "rcut": 2.6}]}

# A model section of metals that trains in no time.
SMALLEST = {
    "descriptor": {
        "type": "se_atten_v2",
        "attn_layer": 0,
        "rcut": 4.0,
        "rcut_smth": 1.0,
        "sel": "auto",
        "neuron": [4, 8],
        "axis_neuron": 2,
    },
    "fitting_net": {"neuron": [8, 8]},
}


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


def descriptor_section(descriptor):
    """A descriptor section with small nets where it does not say otherwise."""
    kind = descriptor["type"]
    if kind == "hybrid":
        return {**descriptor, "list": [descriptor_section(part) for part in descriptor["list"]]}
    if kind == "dpa2":
        return descriptor
    nets = {"rcut": 3.0, "rcut_smth": 0.5, "neuron": [4, 8], "seed": 1}
    if kind not in WITHOUT_AXIS:
        nets["axis_neuron"] = 3
    if kind in BY_TYPE:
        return {**nets, "sel": [4, 6], **descriptor}
    if kind == "se_e3_tebd":
        return {**nets, "sel": 10, **descriptor}
    return {**nets, "sel": 10, "attn": 5, "attn_layer": 1, **descriptor}


def model_section(descriptor=None, fitting=None, **model):
    """A model section with small nets; ``type`` of the descriptor decides its ``sel``."""
    return {
        "type_map": TYPE_MAP,
        "descriptor": descriptor_section({"type": "se_atten", **(descriptor or {})}),
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
