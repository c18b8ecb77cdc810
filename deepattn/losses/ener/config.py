"""The section of the loss ``ener``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn import limits
from deepattn.config.argument import Refused
from deepattn.config.constraints import require
from deepattn.config.loss import Metric, reads_hessian
from deepattn.config.ranges import holds, one_of, within
from deepattn.config.scheduled_loss import ScheduledLossConfig, limit_pref, start_pref
from deepattn.config.section import key
from deepattn.errors import ConfigError
from deepattn.losses.energy_metrics import ENERGY, VIRIAL

_SQUARED = (
    ENERGY,
    Metric(
        "rmse_ae",
        "atomic energies",
        ("atom_ener",),
        "l2_atom_ener_loss_test",
        axis="RMSE of atomic energy (eV)",
    ),
    Metric(
        "rmse_f",
        "forces",
        ("force",),
        "l2_force_loss_test",
        ("F", 1e3, "meV/Å"),
        "RMSE of force (eV/Å)",
    ),
    VIRIAL,
    Metric("rmse_pf", "weighted forces", ("atom_pref", "force"), "l2_pref_force_loss_test"),
    Metric("rmse_gf", "generalized forces", ("drdq", "force"), "l2_gen_force_loss_test"),
    Metric(
        "rmse_h",
        "Hessian",
        ("hessian",),
        "l2_hessian_loss_test",
        ("H", 1.0, "eV/Å²"),
        "RMSE of Hessian (eV/Å²)",
    ),
)
# Of these the errors are shown as roots of squares in any case.
SHOWN_SQUARED = ("gf", "h")


def _absolute(metric: Metric) -> Metric:
    """The mean absolute error in the place of a root mean square."""
    return metric._replace(
        name=f"mae_{metric.term}",
        tag=metric.tag.replace("l2_", "l1_"),
        short=metric.short and (f"{metric.short[0]} MAE", *metric.short[1:]),
        axis=metric.axis and metric.axis.replace("RMSE", "MAE"),
        root=False,
    )


@dataclass(frozen=True, kw_only=True)
class EnerLossConfig(ScheduledLossConfig):
    """Energy and forces."""

    implementation = "deepattn.losses.ener.loss:EnergyLoss"
    usual_keys = ("start_pref_e", "start_pref_f")
    of_either = ("h",)
    aliases = ("ener_hess",)
    metrics = (*_SQUARED, *(_absolute(m) for m in _SQUARED if m.term not in SHOWN_SQUARED))
    input_only = (Refused("use_default_pf", False, hint="give atom_pref.npy in the data"),)

    start_pref_e: float = start_pref(0.02, "the energy")
    limit_pref_e: float = limit_pref(1.0, "the energy")
    start_pref_f: float = start_pref(1000.0, "the forces")
    limit_pref_f: float = limit_pref(1.0, "the forces")
    start_pref_v: float = start_pref(0.0, "the virial")
    limit_pref_v: float = limit_pref(0.0, "the virial")
    start_pref_ae: float = start_pref(0.0, "the atomic energies")
    limit_pref_ae: float = limit_pref(0.0, "the atomic energies")
    start_pref_pf: float = start_pref(0.0, "the forces scaled by atom_pref.npy")
    limit_pref_pf: float = limit_pref(0.0, "the forces scaled by atom_pref.npy")
    start_pref_gf: float = start_pref(0.0, "the generalized forces")
    limit_pref_gf: float = limit_pref(0.0, "the generalized forces")
    start_pref_h: float = start_pref(0.0, "the Hessian (hessian.npy)")
    limit_pref_h: float = limit_pref(0.0, "the Hessian (hessian.npy)")
    numb_generalized_coord: int = key(
        0, "Number of generalized coordinates (drdq.npy).", check=within(0, limits.WIDTH)
    )
    relative_f: float | None = key(
        None,
        "Divide each force error by the norm of the reference force plus this, eV/Å.",
        check=holds(lambda value: value >= 0, "be null or at least 0"),
    )
    enable_atom_ener_coeff: bool = key(
        False,
        "Whether the energy is a sum of atomic energies with the coefficients of "
        "atom_ener_coeff.npy.",
    )
    use_huber: bool = key(
        False, "Whether the loss is linear in errors beyond huber_delta (Huber loss)."
    )
    huber_delta: float | tuple[float, float, float] = key(
        0.01, "Threshold of the Huber loss; a list is for energy, force, virial."
    )
    intensive_ener_virial: bool = key(
        False,
        "Whether errors of energy and virial are divided by the number of atoms before squaring.",
    )
    loss_func: str = key(
        "mse",
        "mse: squared errors; mae: absolute errors, on which outliers have less influence.",
        check=one_of("mse", "mae"),
    )
    f_use_norm: bool = key(
        False,
        "With mae or use_huber: whether the length of the error of a force counts in place of its "
        "three components.",
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        super().check(section, path)
        generalized = section["start_pref_gf"] or section["limit_pref_gf"]
        if generalized and not section["numb_generalized_coord"]:
            raise ConfigError(
                f"{path}/numb_generalized_coord is 0; with a prefactor for generalized "
                "forces it must be at least 1."
            )
        delta = section["huber_delta"]
        deltas = delta if isinstance(delta, list | tuple) else [delta] * 3
        require(
            len(deltas) == 3 and min(deltas) > 0,
            f"{path}/huber_delta",
            delta,
            "be positive, or three positive numbers for energy, force, virial",
        )
        scaled = section["start_pref_pf"] or section["limit_pref_pf"]
        relative = section["relative_f"] is not None
        hessian = reads_hessian(section)
        if section["use_huber"] and (generalized or scaled or relative or hessian):
            raise ConfigError(
                f"{path}/use_huber cannot be combined with the prefactors pf, gf and h or with "
                "relative_f."
            )
        if section["use_huber"] and section["loss_func"] == "mae":
            raise ConfigError(
                f"{path}/use_huber cannot be combined with loss_func mae; remove one of them."
            )
        if section["f_use_norm"] and not section["use_huber"] and section["loss_func"] == "mse":
            raise ConfigError(f"{path}/f_use_norm needs loss_func mae or use_huber.")
