"""The tables of physics: of metals, of molecular dynamics, of teachers and students."""

import json
from collections.abc import Callable, Sequence

import numpy as np
from ase.units import GPa
from record import Record, read_runs, read_students
from sets import HERE
from tables import as_table

# Where the distances within a molecule of water end, Å.
_INTERMOLECULAR = {"H–H": 1.85, "H–O": 1.3, "O–O": 1.3}
_PUBLISHED = {"water": "DPA-1, as published", "tungsten": "OC2M, as published"}
SCRATCH = "trained from scratch"
# Strains of the energies that elastic constants are fitted to.
_NEAR = 0.051


def metals(records: Sequence[Record]) -> str:
    """Elastic constants of the metals, by the labels and by the model of Nb–Mo–Ta–W."""
    rows = []
    for name, found in _metals().items():
        for source in ("labels", "model"):
            rows.append([name, source, *_elastic(found[source])])
    return as_table(["metal", "", *_ELASTIC], rows)


def dynamics(records: Sequence[Record]) -> str:
    """Runs of 100 ps in LAMMPS."""
    rows = []
    for name, found in read_runs().items():
        rows.append(
            [
                name,
                f"{found['atoms']}",
                f"{1000 * found['timestep']:g}",
                _held(found),
                f"{found['temperature']:.0f}",
                _drift(found),
                f"{found['milliseconds']:.1f}",
            ]
        )
    header = [
        "run",
        "atoms",
        "time step (fs)",
        "conserved for (ps)",
        "temperature (K)",
        "drift (µeV/atom/ps)",
        "ms per step",
    ]
    return as_table(header, rows)


def liquid(records: Sequence[Record]) -> str:
    """Peaks of the radial distribution functions of water."""
    found = read_runs()["water"]
    r = np.array(found["r"])
    rows = []
    for pair, labels in found["labels"].items():
        model = found["model"][pair]
        rows.append([pair, *(_peak(r, curve, pair) for curve in (labels, model))])
    return as_table(["pair", "labels", "model"], rows)


def students(records: Sequence[Record]) -> str:
    """Cost, errors and conservation of energy of teachers and students."""
    rows = []
    for material, found in read_students().items():
        for name, model in found["models"].items():
            speed = model["processor_milliseconds"]
            numbers = [f"{speed[kind]:.3g}" for kind in ("stock", "fast")]
            rows.append([material, title(material, name), *_common(model), *numbers])
        if material == "water":
            (record,) = (r for r in records if r.is_result and r.set == material)
            run = read_runs()[material] | {"teacher": None}
            kept = {"errors": record.errors, "core_minutes": record.core_minutes}
            rows.append([material, SCRATCH, *_common(run | kept), "–", "–"])
    header = [
        "material",
        "model",
        "core-minutes",
        "forces, first principles (meV/Å)",
        "forces, teacher (meV/Å)",
        "conserved for (ps)",
        "drift (µeV/atom/ps)",
        "ms per step",
        "`--fast`",
    ]
    return as_table(header, rows)


def students_liquid(records: Sequence[Record]) -> str:
    """Peaks of the radial distribution functions of water by all models."""
    found, scratch = read_students()["water"], read_runs()["water"]
    models = found["models"]
    columns = {
        "labels": found["labels"],
        **{title("water", name): model["curves"] for name, model in models.items()},
        SCRATCH: scratch["model"],
    }
    r = np.array(found["r"])
    rows = [
        [pair, *(_peak(r, g[pair], pair) for g in columns.values())] for pair in found["labels"]
    ]
    return as_table(["pair", *columns], rows)


def tungsten(records: Sequence[Record]) -> str:
    """The crystal of tungsten by all models."""
    metal, found = _metals()["W"], read_students()["tungsten"]
    volume = metal["labels"]["a"] ** 3 / 2

    def row(name: str, elastic: dict, curves: dict | None, force: float | None) -> list[str]:
        energies = ["–", "–"]
        if curves is not None:
            values = _stiffness(found["strains"], curves, volume).values()
            energies = [f"{value:.0f}" for value in values]
        return [name, *_elastic(elastic), *energies, "–" if force is None else f"{force:.2g}"]

    rows = [row("labels", metal["labels"], found["labels"], None)]
    for name, model in found["models"].items():
        parts = (model["elastic"], model["curves"], model["force_at_rest"])
        rows.append(row(title("tungsten", name), *parts))
    rows.append(row(f"{SCRATCH}, on all four metals", metal["model"], None, None))
    header = [
        "",
        *_ELASTIC,
        "C₁₁ from energies",
        "C₄₄ from energies",
        "forces in the crystal (eV/Å)",
    ]
    return as_table(header, rows)


TABLES: dict[str, Callable[[Sequence[Record]], str]] = {
    "metals": metals,
    "dynamics": dynamics,
    "liquid": liquid,
    "students": students,
    "students_liquid": students_liquid,
    "tungsten": tungsten,
}
# Of the energy per volume, what its second derivative with the strain is, in elastic constants.
_FACTORS = {"normal": 1, "shear": 4}
_ELASTIC = ("a (Å)", "C₁₁ (GPa)", "C₁₂", "C₄₄", "bulk modulus")


def _metals() -> dict[str, dict]:
    return json.loads((HERE / "physics-metals.json").read_text())


def title(material: str, name: str) -> str:
    """What tables and pictures call a model."""
    return {"published": _PUBLISHED[material], "fine-tuned": "OC2M, fine-tuned"}.get(name, name)


def _elastic(values: dict) -> list[str]:
    """A lattice constant and elastic constants."""
    bulk = (values["c11"] + 2 * values["c12"]) / 3
    constants = (values["c11"], values["c12"], values["c44"], bulk)
    return [f"{values['a']:.3f}", *(f"{value:.0f}" for value in constants)]


def _stiffness(strains: dict, curves: dict, volume: float) -> dict[str, float]:
    """C₁₁ and C₄₄ from energies of strained cells, GPa.

    Args:
        strains: By mode.
        curves: By mode, energies in meV/atom.
        volume: Of an atom, Å³.
    """
    found = {}
    for mode, factor in _FACTORS.items():
        strain, energy = np.array(strains[mode]), np.array(curves[mode]) / 1000
        near = np.abs(strain) < _NEAR
        curvature = (
            2 * np.polynomial.Polynomial.fit(strain[near], energy[near], 4).convert().coef[2]
        )
        found[mode] = curvature / factor / volume / GPa
    return found


def _peak(r: np.ndarray, curve: Sequence[float], pair: str) -> str:
    """The highest peak beyond those within a molecule, which are an order of magnitude higher."""
    g = np.where(r > _INTERMOLECULAR[pair], curve, 0.0)
    return f"{g.max():.2f} at {r[g.argmax()]:.2f} Å"


def _common(model: dict) -> list[str]:
    """What the records of all models have."""
    minutes, teacher = model["core_minutes"], model["teacher"]
    return [
        "–" if minutes is None else f"{minutes:.1f}",
        f"{model['errors']['force']['rmse']:.0f}",
        "–" if teacher is None else f"{teacher[0]:.0f}",
        _held(model),
        _drift(model),
    ]


def _held(run: dict) -> str:
    """For how long the energy was conserved, ps."""
    broke = run["broke_at"]
    return f"{run['time']:g}" if broke is None else f"{broke:.1f} of {run['time']:g}"


def _drift(run: dict) -> str:
    """With its error, µeV/atom/ps."""
    drift, error = run["drift"]
    return f"{float(f'{drift:.2g}'):g} ± {float(f'{error:.1g}'):g}"
