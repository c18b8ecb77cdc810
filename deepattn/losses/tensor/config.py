"""The section of the loss ``tensor``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.loss import LossConfig, Metric
from deepattn.config.ranges import within
from deepattn.config.section import key, required
from deepattn.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TensorLossConfig(LossConfig):
    """Dipole moments or polarizabilities, of frames and atoms."""

    implementation = "deepattn.losses.tensor.loss:TensorLoss"
    subject = "tensors"
    metrics = (
        Metric(
            "rmse_lc",
            "tensors of atoms",
            ("atoms",),
            "l2_local_loss_test",
            ("local", 1.0, ""),
            "RMSE of the tensor of an atom",
        ),
        Metric(
            "rmse_gl",
            "tensors of frames",
            ("frame",),
            "l2_global_loss_test",
            ("global", 1.0, "/atom"),
            "RMSE of the tensor of a frame per atom",
        ),
    )

    pref: float = required("Prefactor of the tensor of a frame.", check=within(0))
    pref_atomic: float = required("Prefactor of the tensors of the atoms.", check=within(0))
    enable_atomic_weight: bool = key(
        False, "Whether errors of atoms are multiplied by atomic_weight.npy."
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        super().check(section, path)
        if not (section["pref"] or section["pref_atomic"]):
            raise ConfigError(f"{path} has no positive prefactor; set pref or pref_atomic.")
