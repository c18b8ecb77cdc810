"""Mistakes of sign and unit, by the factor that they lead to."""

from __future__ import annotations

from collections.abc import Iterable

from ase.units import Bohr, GPa, Hartree, Rydberg, kcal, kJ, mol

_ENERGY = {
    1 / Hartree: "the energy is in Hartree",
    1 / Rydberg: "the energy is in Rydberg",
    mol / kcal: "the energy is in kcal/mol",
    mol / kJ: "the energy is in kJ/mol",
}
# The correct value divided by the forces.
_FORCE_ALONE = {
    Hartree / Bohr: "the force is in Hartree/Bohr",
    Rydberg / Bohr: "the force is in Rydberg/Bohr",
    Hartree: "the force is in Hartree/Å",
    Rydberg: "the force is in Rydberg/Å",
    kcal / mol: "the force is in kcal/mol/Å",
    kJ / mol: "the force is in kJ/mol/Å",
    Bohr / Hartree: "the force was converted from Hartree/Bohr twice",
    Bohr / Rydberg: "the force was converted from Rydberg/Bohr twice",
}
# Change of the energy over the work of the forces.
_FORCE = {
    **_FORCE_ALONE,
    Hartree: "the force is in Hartree/Å, or the energy was converted from Hartree twice",
    Rydberg: "the force is in Rydberg/Å, or the energy was converted from Rydberg twice",
    1 / Bohr: "the energy is in Hartree and the force in Hartree/Bohr (or both in Rydberg)",
    **_ENERGY,
}
_VIRIAL_ALONE = {
    Hartree: "the virial is in Hartree",
    Rydberg: "the virial is in Rydberg",
    kcal / mol: "the virial is in kcal/mol",
    kJ / mol: "the virial is in kJ/mol",
}
_TABLES = {
    ("force", "energy"): _FORCE,
    # Change of the energy over the work of the virial.
    ("virial", "energy"): {**_VIRIAL_ALONE, **_ENERGY},
    # Σ r⊗f over the virial.
    ("virial", "force"): {
        **_VIRIAL_ALONE,
        **{1 / factor: words for factor, words in _FORCE_ALONE.items()},
    },
}
HINTS = {
    "force": "do the labels belong to these frames, in the order of coord?",
    "virial": "is it the virial −∂E/∂ε in eV, positive under compression?",
}


def explain(
    label: str,
    ratio: float,
    *,
    against: str = "energy",
    natoms: Iterable[int] = (),
    volume: float = 0.0,
    within: float = 1.1,
    blamed: str = "",
) -> str:
    """Probable cause of a ratio that differs from one.

    Args:
        label: ``force`` or ``virial``.
        ratio: Change of the energy over the label's work; or Σ r⊗f over the virial.
        against: Quantity that the label was compared with, ``energy`` or ``force``.
        natoms: Numbers of atoms of the frames.
        volume: Typical volume, Å³; 0 if there is none.
        within: How far, as a factor, the ratio may be from that of a known mistake.
        blamed: Quantity with the wrong sign if the ratio is negative; ``label`` by default.
    """
    known = list(_TABLES[label, against].items())
    if against == "energy":
        known += [(1 / count, "the energy is per atom") for count in natoms]
    if label == "virial" and volume:
        known += [
            (volume, "the virial is a stress in eV/Å³"),
            (volume * GPa, "the virial is a stress in GPa"),
            (volume * GPa / 10, "the virial is a stress in kbar"),
        ]
    fitting = dict.fromkeys(
        words for factor, words in known if 1 / within < abs(ratio) / factor < within
    )
    words = " or ".join(fitting)
    if ratio < 0:
        sign = f"the {blamed or label} has the wrong sign"
        plain = 1 / within < -ratio < within
        words = sign if plain or not words else f"{words}, and {sign}"
        return f"it looks as if {words}" if plain or fitting else f"{sign}; {HINTS[label]}"
    return f"it looks as if {words}" if words else HINTS[label]


def explain_force(ratio: float, within: float) -> str:
    """Probable cause of forces that should be larger by a factor."""
    fitting = [
        words for factor, words in _FORCE_ALONE.items() if 1 / within < ratio / factor < within
    ]
    return f"it looks as if {' or '.join(fitting)}" if fitting else "are the forces in eV/Å?"
