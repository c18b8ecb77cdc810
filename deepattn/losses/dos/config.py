"""The section of the loss ``dos``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.loss import Metric
from deepattn.config.scheduled_loss import ScheduledLossConfig, limit_pref, start_pref

_CDF = "the running sum of the density of states"
_ACDF = "the running sums of the densities of states of the atoms"


@dataclass(frozen=True, kw_only=True)
class DosLossConfig(ScheduledLossConfig):
    """Densities of states and their running sums, of frames and atoms."""

    implementation = "deepattn.losses.dos.loss:DosLoss"
    usual_keys = ("start_pref_dos", "start_pref_ados")
    subject = "densities of states"
    metrics = (
        Metric(
            "rmse_dos",
            "density of states",
            ("frame",),
            "l2_dos_loss_test",
            ("DOS", 1.0, "/atom"),
            "RMSE of the density of states per atom",
        ),
        Metric(
            "rmse_ados",
            "densities of states of atoms",
            ("atoms",),
            "l2_atom_dos_loss_test",
            ("ADOS", 1.0, ""),
            "RMSE of the density of states of an atom",
        ),
        Metric("rmse_cdf", "running sum of the density of states", ("frame",), "l2_cdf_loss_test"),
        Metric(
            "rmse_acdf",
            "running sums of the densities of states of atoms",
            ("atoms",),
            "l2_atom_cdf_loss_test",
        ),
    )

    start_pref_dos: float = start_pref(0.0, "the density of states")
    limit_pref_dos: float = limit_pref(0.0, "the density of states")
    start_pref_cdf: float = start_pref(0.0, _CDF)
    limit_pref_cdf: float = limit_pref(0.0, _CDF)
    start_pref_ados: float = start_pref(1.0, "the densities of states of the atoms")
    limit_pref_ados: float = limit_pref(1.0, "the densities of states of the atoms")
    start_pref_acdf: float = start_pref(0.0, _ACDF)
    limit_pref_acdf: float = limit_pref(0.0, _ACDF)
