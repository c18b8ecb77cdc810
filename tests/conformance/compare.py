"""Evaluating with our code, and saying where two evaluations part."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deepattn.config import ModelConfig
from deepattn.infer import DeepPot
from deepattn.models import EnergyModel, build_model

KEYS = ("energy", "force", "virial", "atom_energy", "atom_virial")


def deeppot_eval(
    model: str | Path, cases: dict[str, dict[str, np.ndarray]]
) -> dict[str, dict[str, np.ndarray]]:
    """The cases by our ``DeepPot``, with the keys and shapes of ``inside/evaluate.py``."""
    results = {}
    with DeepPot(model) as pot:
        for name, case in cases.items():
            options = {key: case[key] for key in ("fparam", "aparam") if key in case}
            values = pot.eval(
                case["coord"],
                case.get("box"),
                case["atype"],
                atomic=True,
                mixed_type=case["atype"].ndim == 2,
                **options,
            )
            results[name] = dict(zip(KEYS, values, strict=True))
            for key in ("energy", "atom_energy"):
                results[name][key] = results[name][key][..., 0]
    return results


def keras_eval(
    model: EnergyModel, cases: dict[str, dict[str, np.ndarray]]
) -> dict[str, dict[str, np.ndarray]]:
    """The cases by a Keras model."""
    results = {}
    for name, case in cases.items():
        nframes, natoms = case["coord"].shape[:2]
        inputs = {
            "coord": case["coord"],
            "atype": np.broadcast_to(case["atype"], (nframes, natoms)),
            "box": case.get("box", np.zeros((nframes, 9))),
        }
        inputs |= {key: case[key] for key in ("fparam", "aparam") if key in case}
        outputs = model(inputs)
        results[name] = {key: np.array(outputs[key]) for key in KEYS}
    return results


def in_float64(model: EnergyModel, section: dict) -> EnergyModel:
    """The same weights in float64 nets; ``section`` is the model section of the input."""
    precise = {"precision": "float64"}
    nets = ("type_embedding", "descriptor", "fitting_net")
    section = {**section, **{net: {**section[net], **precise} for net in nets}}
    copy = build_model(ModelConfig.from_dict(section), interface_dtype="float64")
    variables = copy.named_variables()
    copy.set_arrays({k: a.astype(variables[k].dtype) for k, a in model.get_arrays().items()})
    return copy


def assert_equal(
    ours: dict[str, dict[str, np.ndarray]],
    theirs: dict[str, dict[str, np.ndarray]],
    tolerance: float,
) -> None:
    """Atomic energies and forces within ``tolerance``, sums over atoms within so much an atom.

    Virials are forces times distances, so atomic ones get five times as much (Å).
    """
    assert ours.keys() == theirs.keys()
    faults = []
    for name, expected in theirs.items():
        natoms = expected["force"].shape[1]
        for key in KEYS:
            share = {"energy": natoms, "virial": 5 * natoms, "atom_virial": 5}.get(key, 1)
            allowed = tolerance * share
            assert ours[name][key].shape == expected[key].shape, (name, key)
            error = np.abs(ours[name][key] - expected[key]).max()
            if not error <= allowed:
                faults.append(f"{name}: {key} differs by {error:.2e}, allowed {allowed:.0e}")
    assert not faults, "\n".join(faults)


def errors(
    results: dict[str, dict[str, np.ndarray]], exact: dict[str, dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Errors of each quantity, of all cases in one row."""
    return {
        key: np.concatenate([(results[name][key] - exact[name][key]).ravel() for name in exact])
        for key in KEYS
    }


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values**2)))
