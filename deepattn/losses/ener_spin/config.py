"""The section of the loss ``ener_spin``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.argument import Refused
from deepattn.config.loss import Metric
from deepattn.config.scheduled_loss import ScheduledLossConfig, limit_pref, start_pref
from deepattn.config.section import key
from deepattn.losses.energy_metrics import ENERGY, VIRIAL

_UNUSED = "no backend of DeePMD-kit uses it with ener_spin"
_SUM = "energies of virtual atoms do not exist, so atomic energies are not trained"


@dataclass(frozen=True, kw_only=True)
class EnerSpinLossConfig(ScheduledLossConfig):
    """Energy, forces and magnetic forces."""

    implementation = "deepattn.losses.ener_spin.loss:EnergySpinLoss"
    usual_keys = ("start_pref_e", "start_pref_fr")
    of_moments = True
    metrics = (
        ENERGY,
        Metric(
            "rmse_fr",
            "forces",
            ("force",),
            "l2_force_r_loss_test",
            ("F", 1e3, "meV/Å"),
            "RMSE of force (eV/Å)",
        ),
        Metric(
            "rmse_fm",
            "magnetic forces",
            ("force",),
            "l2_force_m_loss_test",
            ("F mag", 1e3, "meV/μB"),
            "RMSE of magnetic force (eV/μB)",
        ),
        VIRIAL,
    )
    input_only = (
        *(Refused(f"{end}_pref_ae", 0.0, hint=_SUM) for end in ("start", "limit")),
        *(Refused(f"{end}_pref_pf", 0.0, hint=_UNUSED) for end in ("start", "limit")),
        Refused("relative_f", hint=_UNUSED),
        Refused("enable_atom_ener_coeff", False, hint=_SUM),
        Refused("loss_func", "mse", hint="errors are squared"),
    )

    start_pref_e: float = start_pref(0.02, "the energy")
    limit_pref_e: float = limit_pref(1.0, "the energy")
    start_pref_fr: float = start_pref(1000.0, "the forces on atoms")
    limit_pref_fr: float = limit_pref(1.0, "the forces on atoms")
    start_pref_fm: float = start_pref(10000.0, "the magnetic forces")
    limit_pref_fm: float = limit_pref(10.0, "the magnetic forces")
    start_pref_v: float = start_pref(0.0, "the virial")
    limit_pref_v: float = limit_pref(0.0, "the virial")
    intensive_ener_virial: bool = key(
        False,
        "Whether errors of energy and virial are divided by the number of atoms before squaring.",
    )
