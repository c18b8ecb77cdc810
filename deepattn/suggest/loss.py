"""The rule for the prefactors of the loss."""

from __future__ import annotations

from deepattn.errors import DataError
from deepattn.suggest.choice import Choice
from deepattn.suggest.facts import Facts

# Label, letter, prefactors at the start and at the end.
_TERMS = (("energy", "e", 1, 20), ("force", "f", 1000, 10), ("virial", "v", 0.5, 5))
_PLURALS = {"energy": "energies", "force": "forces", "virial": "virials"}


def prefactors(facts: Facts) -> Choice:
    """Terms for the labels that the data have.

    Raises:
        DataError: There are neither energies nor forces.
    """
    if not facts.labeled.get("energy") and not facts.labeled.get("force"):
        raise DataError(
            f"{', '.join(facts.sources)}: no frame has an energy or forces; are the files named "
            "energy.npy and force.npy?"
        )
    values, absent = {}, []
    for label, letter, start, limit in _TERMS:
        present = bool(facts.labeled.get(label))
        if present or label != "virial":
            values[f"loss/start_pref_{letter}"] = start if present else 0
            values[f"loss/limit_pref_{letter}"] = limit if present else 0
        if not present:
            absent.append(_PLURALS[label])
    why = "forces first, as a frame has one energy and 3N components of forces; energies count "
    why += "more towards the end"
    partly = [
        f"{_PLURALS[label]} in {count} of {facts.frames} frames"
        for label, count in facts.labeled.items()
        if 0 < count < facts.frames
    ]
    if partly:
        why += f"; there are {', '.join(partly)}, the others take no part in that term"
    if absent:
        why += f"; no term for {' and '.join(absent)}, which the data do not have"
    return Choice(values, why)
