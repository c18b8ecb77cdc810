"""Evaluating models: energies, forces, virials, and their errors against labels."""

import deepattn.keras_backend  # noqa: F401
from deepattn.infer.deep_pot import DeepPot
from deepattn.infer.details import DetailFiles
from deepattn.infer.labelled import read_frames
from deepattn.infer.pairs import PairSample
from deepattn.infer.report import TestReport
from deepattn.infer.statistics import (
    energy_errors,
    error_lines,
    errors_by_element,
    merge_errors,
)

__all__ = [
    "DeepPot",
    "DetailFiles",
    "PairSample",
    "TestReport",
    "energy_errors",
    "error_lines",
    "errors_by_element",
    "merge_errors",
    "read_frames",
]
