"""The rule for the cutoff."""

from __future__ import annotations

from deepattn.suggest.choice import Choice
from deepattn.suggest.facts import Facts

_USUAL, _LONG = CUTOFFS = (5.0, 6.0)
# Å. From here on, atoms twice as far as the nearest neighbors are beyond the usual cutoff.
_SPARSE = 3.0
# Share of the atoms, below which an element does not decide.
_RARE = 0.05


def cutoff(facts: Facts) -> Choice:
    """5 Å; 6 Å if the nearest neighbors of an element that is not rare are far away."""
    far = {
        name: distance
        for name, distance in facts.nearest.items()
        if distance > _SPARSE and facts.shares[name] >= _RARE
    }
    rcut, why = _USUAL, "two shells of neighbors; a longer one costs time with its third power"
    if far:
        name = max(far, key=lambda one: far[one])
        rcut = _LONG
        why = (
            f"the nearest neighbors of {name} are {far[name]:.1f} Å away, so 5 Å would hardly "
            "include the next shell"
        )
    if rcut in facts.neighbors:
        mean, most = facts.neighbors[rcut]
        why += f"; atoms have {mean:.0f} neighbors on average, at most {most}"
    values = {"model/descriptor/rcut": rcut, "model/descriptor/rcut_smth": 0.5}
    return Choice(values, f"{why} (in {facts.sampled} frames)")


def slots() -> Choice:
    """Room for neighbors."""
    return Choice(
        {"model/descriptor/sel": "auto"},
        "the largest number of neighbors in the training data and a tenth more, counted when the "
        "training starts",
    )
