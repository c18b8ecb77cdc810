"""Errors compared with the spread of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deepattn.diagnose.cause import Cause
from deepattn.diagnose.curve import Curve, at_end, shown, words

_REFERENCES = {
    "rmse_f": "predicting no forces at all",
    "rmse_e": "an energy of each element and nothing else",
}
# Part of the spread above which nothing was learned.
_NOTHING = 0.8
# Energy errors behind force errors, as parts of their spreads.
_BEHIND = 2.5
_LARGE = 0.1
_LEARNED = 0.5


def relative_errors(curve: Curve, spreads: Mapping[str, float]) -> dict[str, float]:
    """Errors at the end over the spread of the labels, by metric."""
    return {
        metric: at_end(curve.errors(metric)) / spread
        for metric, spread in spreads.items()
        if metric in curve.train and spread > 0
    }


def nothing_learned(curve: Curve, spreads: Mapping[str, float]) -> Iterator[Cause]:
    """The model is hardly better than none.

    Args:
        curve: The learning curve.
        spreads: Of the labels, by metric: root mean square of the forces; of energies per atom,
            the residual of a fit by composition.
    """
    for metric, part in relative_errors(curve, spreads).items():
        if part > _NOTHING:
            yield Cause(
                "nothing learned",
                0.8,
                f"the error of the {words(metric)}, {shown(metric, part * spreads[metric])}, is "
                f"{part:.0%} of that of {_REFERENCES[metric]}: look at the data (units, order of "
                "atoms), the learning rate and the prefactors",
            )


def energy_behind(
    curve: Curve, spreads: Mapping[str, float], limit_pref_e: float | None
) -> Iterator[Cause]:
    """Forces are learned, energies lag behind.

    Args:
        curve: The learning curve.
        spreads: See `nothing_learned`.
        limit_pref_e: Of the input; None if its loss has none.
    """
    parts = relative_errors(curve, spreads)
    energy, force = parts.get("rmse_e"), parts.get("rmse_f")
    if energy is None or force is None or force > _LEARNED:
        return
    if _LARGE < energy <= _NOTHING and energy > _BEHIND * force:
        given = "" if limit_pref_e is None else f", now {limit_pref_e:g}"
        yield Cause(
            "energies behind forces",
            0.55,
            f"at the end the error of the energies is {energy:.0%} of their spread after a fit by "
            f"composition, that of the forces {force:.0%} of theirs: raise "
            f"loss/limit_pref_e{given}",
        )
