"""Evaluating models: energies, forces, virials, and their errors against labels."""

from deepattn.infer.deep_pot import DeepPot
from deepattn.infer.labelled import read_frames
from deepattn.infer.statistics import energy_errors, error_lines, merge_errors

__all__ = ["DeepPot", "energy_errors", "error_lines", "merge_errors", "read_frames"]
