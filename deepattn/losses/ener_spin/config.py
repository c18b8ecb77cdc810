"""The section of the loss ``ener_spin``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.argument import Refused
from deepattn.config.loss import LossConfig, Metric
from deepattn.config.ranges import within
from deepattn.config.section import key
from deepattn.errors import ConfigError

_UNUSED = "no backend of DeePMD-kit uses it with ener_spin"
_SUM = "energies of virtual atoms do not exist, so atomic energies are not trained"


def _start(value: float, what: str) -> Any:
    return key(value, f"Prefactor of {what} at the start of the training.", check=within(0))


def _limit(value: float, what: str) -> Any:
    return key(value, f"Prefactor of {what} as the learning rate goes to zero.", check=within(0))


@dataclass(frozen=True, kw_only=True)
class EnerSpinLossConfig(LossConfig):
    """Energy, forces and magnetic forces."""

    implementation = "deepattn.losses.ener_spin.loss:EnergySpinLoss"
    of_moments = True
    metrics = (
        Metric(
            "rmse_e",
            "energy",
            ("energy",),
            "l2_ener_loss_test",
            ("E", 1e3, "meV/atom"),
            "RMSE of energy (eV/atom)",
        ),
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
        Metric(
            "rmse_v",
            "virial",
            ("virial",),
            "l2_virial_loss_test",
            ("V", 1e3, "meV/atom"),
            "RMSE of virial (eV/atom)",
        ),
    )
    input_only = (
        *(Refused(f"{end}_pref_ae", 0.0, hint=_SUM) for end in ("start", "limit")),
        *(Refused(f"{end}_pref_pf", 0.0, hint=_UNUSED) for end in ("start", "limit")),
        Refused("relative_f", hint=_UNUSED),
        Refused("enable_atom_ener_coeff", False, hint=_SUM),
        Refused("loss_func", "mse", hint="errors are squared"),
    )

    start_pref_e: float = _start(0.02, "the energy")
    limit_pref_e: float = _limit(1.0, "the energy")
    start_pref_fr: float = _start(1000.0, "the forces on atoms")
    limit_pref_fr: float = _limit(1.0, "the forces on atoms")
    start_pref_fm: float = _start(10000.0, "the magnetic forces")
    limit_pref_fm: float = _limit(10.0, "the magnetic forces")
    start_pref_v: float = _start(0.0, "the virial")
    limit_pref_v: float = _limit(0.0, "the virial")
    intensive_ener_virial: bool = key(
        False,
        "Whether errors of energy and virial are divided by the number of atoms before squaring.",
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        super().check(section, path)
        if not any(value for name, value in section.items() if "_pref_" in name):
            raise ConfigError(
                f"{path} has no positive prefactor; set start_pref_e or start_pref_fr."
            )

    @classmethod
    def lasting_labels(cls, section: Mapping[str, Any]) -> set[str]:
        return {
            label
            for metric in cls.metrics
            if section[f"start_pref_{metric.term}"] and section[f"limit_pref_{metric.term}"]
            for label in metric.labels
        }
