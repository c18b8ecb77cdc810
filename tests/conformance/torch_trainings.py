"""What the comparisons of trainings with ``dp --pt`` have in common: a small model, prefactors."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deepattn.config import ModelConfig, normalize_model
from deepattn.formats.dp_file import write_tree
from deepattn.models import build_model
from deepattn.models.dpmodel import to_tree

TYPE_MAP = ["O", "H"]


def model_section(**options: object) -> dict:
    """A small DeepPot-SE in float64.

    Args:
        **options: Further keys of the section; those of ``fitting_net`` are added to the others.
    """
    descriptor = {"type": "se_e2_a", "sel": [12, 20], "rcut": 3.0, "rcut_smth": 0.5, "seed": 1}
    descriptor |= {"neuron": [4, 8], "axis_neuron": 3, "precision": "float64"}
    fitting = {"neuron": [8, 8], "seed": 2, "precision": "float64"}
    fitting |= options.pop("fitting_net", {})
    section = {"type_map": TYPE_MAP, "descriptor": descriptor, "fitting_net": fitting}
    return section | options


def prefactor_keys(prefactors: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """The keys of a loss.

    Args:
        prefactors: Those at the start and at the end, by the letters of the terms.
    """
    keys = {f"start_pref_{term}": start for term, (start, _) in prefactors.items()}
    return keys | {f"limit_pref_{term}": limit for term, (_, limit) in prefactors.items()}


def write_start(path: Path, **options: object) -> None:
    """A ``.dp`` file of that model with random weights, and an energy bias of -2.5 eV.

    Args:
        path: The file.
        **options: Further keys of the section ``model``.
    """
    section = {**model_section(**options), "convention": "common"}
    config = ModelConfig.from_dict(normalize_model(section))
    arrays = build_model(config).get_arrays()
    arrays["fitting_attr/t_bias_atom_e"] = np.array([-2.5, -2.5])
    write_tree(path, to_tree(config, arrays, min_nbor_dist=None))
