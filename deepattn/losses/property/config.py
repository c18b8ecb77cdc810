"""The section of the loss ``property``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.loss import LossConfig, Metric
from deepattn.config.ranges import holds, one_of, positive
from deepattn.config.section import key

_ERRORS = ("smooth_mae", "mae", "mse", "rmse", "mape")


def _metric(name: str, words: str, title: str, *, root: bool = False) -> Metric:
    """One of the errors; the name ``rmse`` is that of the loss itself."""
    column = "rmse_property" if name == "rmse" else name
    short = (title, 1.0, "") if name in ("mae", "rmse") else None
    axis = f"{title} of the property" if short else None
    return Metric(column, words, ("frame",), f"property_{name}_test", short, axis, root)


@dataclass(frozen=True, kw_only=True)
class PropertyLossConfig(LossConfig):
    """Properties of structures."""

    implementation = "deepattn.losses.property.loss:PropertyLoss"
    subject = "properties"
    metrics = (
        _metric("mae", "mean absolute error of the property", "MAE"),
        _metric("mape", "mean absolute error of the property, relative to the labels", "MAPE"),
        _metric("mse", "mean squared error of the property", "MSE"),
        _metric("rmse", "root mean square error of the property", "RMSE", root=True),
        _metric("smooth_mae", "smooth mean absolute error of the property", "smooth MAE"),
    )

    loss_func: str = key(
        "smooth_mae",
        "What is minimized: mae, absolute errors; smooth_mae, the same, but quadratic below beta; "
        "mse, squared errors; rmse, the root of their mean; mape, errors relative to the labels.",
        check=one_of(*_ERRORS),
    )
    metric: tuple[str, ...] = key(
        ["mae"],
        f"Errors in the learning curve: any of {', '.join(_ERRORS)}.",
        check=holds(lambda names: set(names) <= set(_ERRORS), f"list any of {', '.join(_ERRORS)}"),
    )
    beta: float = key(
        1.0, "Error below which smooth_mae is quadratic, in spreads of the labels.", check=positive
    )
