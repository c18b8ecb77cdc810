"""The rules for widths, precision and seeds."""

from __future__ import annotations

from collections.abc import Iterable

from deepattn.suggest.choice import Choice


def nets() -> Choice:
    """Widths of the nets."""
    return Choice(
        {
            "model/descriptor/neuron": [20, 40, 80],
            "model/descriptor/axis_neuron": 8,
            "model/fitting_net/neuron": [120, 120, 120],
        },
        "errors after minutes or a few hours are limited by the number of steps, not by the width; "
        "for a training of a day try 25-50-100, 16 and 240-240-240",
    )


def precision(sections: Iterable[str]) -> Choice:
    """Precision of the nets in some sections of the model."""
    return Choice(
        {f"model/{section}/precision": "float32" for section in sections},
        "the same errors as float64 in about half the time; coordinates, energies and forces stay "
        "in float64",
    )


def seeds(sections: Iterable[str]) -> Choice:
    """Seeds of the weights and of the order of the frames."""
    paths = [f"model/{section}/seed" for section in sections]
    return Choice(dict.fromkeys([*paths, "training/seed"], 1), "the run can be repeated")
