"""What the comparisons of trainings with ``dp --pt`` have in common: a small model, curves."""

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


def columns(path: Path) -> dict[str, list[str]]:
    """The printed numbers of a learning curve by the names in its first line."""
    lines = path.read_text().splitlines()
    names = lines[0].removeprefix("#").split()
    rows = [line.split() for line in lines if not line.startswith("#")]
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def assert_same_curve(found: dict[str, list[str]], wanted: dict[str, list[str]]) -> None:
    """That two learning curves are the same in every printed digit.

    DeePMD-kit counts from 1, has no line after the last step, and evaluates the validation data
    after the step, the weighted sum with the prefactors before it.
    """
    assert set(found) == set(wanted)
    same_rate = np.equal(found["lr"][1:], wanted["lr"])
    assert same_rate.any() or len(same_rate) == 1
    for name, printed in wanted.items():
        if name.endswith("_trn"):
            assert found[name][:-1] == printed, name
        elif name.endswith("_val"):
            rows = same_rate if name == "rmse_val" else slice(None)
            assert np.array(found[name][1:])[rows].tolist() == np.array(printed)[rows].tolist()
