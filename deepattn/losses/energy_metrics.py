"""Metrics of energies and virials, which losses of energies have in common."""

from __future__ import annotations

from deepattn.config.loss import Metric

ENERGY = Metric(
    "rmse_e",
    "energy",
    ("energy",),
    "l2_ener_loss_test",
    ("E", 1e3, "meV/atom"),
    "RMSE of energy (eV/atom)",
)
VIRIAL = Metric(
    "rmse_v",
    "virial",
    ("virial",),
    "l2_virial_loss_test",
    ("V", 1e3, "meV/atom"),
    "RMSE of virial (eV/atom)",
)
