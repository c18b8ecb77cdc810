"""The uncertainty of one model: how far atoms are from its training data, and what that means."""

from deepattn.uncertainty.calibration import Calibration, fit_calibration
from deepattn.uncertainty.distance import Distance, Moments, fit_basis
from deepattn.uncertainty.file import SUFFIX, read_uncertainty, write_uncertainty
from deepattn.uncertainty.quality import Quality, measure_quality
from deepattn.uncertainty.uncertainty import Uncertainty

__all__ = [
    "SUFFIX",
    "Calibration",
    "Distance",
    "Moments",
    "Quality",
    "Uncertainty",
    "fit_basis",
    "fit_calibration",
    "measure_quality",
    "read_uncertainty",
    "write_uncertainty",
]
