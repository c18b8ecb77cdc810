"""Checks for mistakes in data, before a training runs into them."""

from deepattn.check.finding import DOUBT, FAULT, NOT_TESTED, Finding, Findings
from deepattn.check.inputs import check_paths
from deepattn.check.run import check_data

__all__ = ["DOUBT", "FAULT", "NOT_TESTED", "Finding", "Findings", "check_data", "check_paths"]
