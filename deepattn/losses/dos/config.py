"""The section of the loss ``dos``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.loss import LossConfig, Metric
from deepattn.config.ranges import within
from deepattn.config.section import key
from deepattn.errors import ConfigError


def _start(value: float, what: str) -> Any:
    return key(value, f"Prefactor of {what} at the start of the training.", check=within(0))


def _limit(value: float, what: str) -> Any:
    return key(value, f"Prefactor of {what} as the learning rate goes to zero.", check=within(0))


_CDF = "the running sum of the density of states"
_ACDF = "the running sums of the densities of states of the atoms"


@dataclass(frozen=True, kw_only=True)
class DosLossConfig(LossConfig):
    """Densities of states and their running sums, of frames and atoms."""

    implementation = "deepattn.losses.dos.loss:DosLoss"
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

    start_pref_dos: float = _start(0.0, "the density of states")
    limit_pref_dos: float = _limit(0.0, "the density of states")
    start_pref_cdf: float = _start(0.0, _CDF)
    limit_pref_cdf: float = _limit(0.0, _CDF)
    start_pref_ados: float = _start(1.0, "the densities of states of the atoms")
    limit_pref_ados: float = _limit(1.0, "the densities of states of the atoms")
    start_pref_acdf: float = _start(0.0, _ACDF)
    limit_pref_acdf: float = _limit(0.0, _ACDF)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        super().check(section, path)
        if not any(value for name, value in section.items() if "_pref_" in name):
            raise ConfigError(
                f"{path} has no positive prefactor; set start_pref_dos or start_pref_ados."
            )
