"""Small models of QM/MM by pairs (``pairwise_dprc``), and frames for them."""

import numpy as np

# Of the QM atoms the first two.
QM_TYPES, MM_TYPES = (0, 1), (2, 3)
TYPE_MAP = ["C", "H", "OW", "HW"]
# Two QM atoms, one water, one more QM atom, a cut water and an ion, in no order of residues.
RESIDUES = np.array([0, 7, 0, 7, 7, 0, 2, 2, 31])
TYPES = np.array([0, 2, 1, 3, 3, 1, 2, 3, 2], np.int32)


def pairs_of(*groups):
    """All pairs of types of the same group."""
    return [[a, b] for group in groups for a in group for b in group if a <= b]


def section(qm=None, qmmm=None, **model):
    """A model section with small nets in float64.

    Args:
        qm, qmmm: Keys of the descriptors of the two models.
        **model: Further keys of the section.
    """
    descriptor = {
        "type": "se_atten_v2",
        "attn_layer": 0,
        "rcut": 5.0,
        "rcut_smth": 1.0,
        "sel": 12,
        "neuron": [3, 6],
        "axis_neuron": 2,
        "seed": 1,
    }
    fitting = {"neuron": [5, 5], "seed": 2}
    pairs = {"set_davg_zero": True, "exclude_types": pairs_of(QM_TYPES, MM_TYPES), "rcut": 4.0}
    return {
        "type": "pairwise_dprc",
        "type_map": TYPE_MAP,
        "type_embedding": {"neuron": [4], "seed": 5},
        "qm_model": {
            "descriptor": {**descriptor, **(qm or {})},
            "fitting_net": {**fitting, "atom_ener": [None, None, 0.0, 0.0]},
        },
        "qmmm_model": {
            "descriptor": {**descriptor, **pairs, **(qmmm or {})},
            "fitting_net": {**fitting, "seed": 3, "atom_ener": [0.0] * 4},
        },
        **model,
    }


def frames(nframes=2, seed=0):
    """Inputs of frames in one cell; in the second one the residues are others."""
    rng = np.random.default_rng(seed)
    lattice = 2.0 * np.indices((3, 3, 1)).reshape(3, -1).T
    residues = np.tile(RESIDUES, (nframes, 1))
    if nframes > 1:
        residues[1] = [0, 4, 0, 4, 4, 0, 4, 9, -1]
    return {
        "coord": lattice + rng.normal(scale=0.2, size=(nframes, len(TYPES), 3)),
        "atype": np.tile(TYPES, (nframes, 1)),
        "box": np.tile(7.0 * np.eye(3).ravel(), (nframes, 1)),
        "aparam": residues[:, :, np.newaxis].astype(float),
    }
