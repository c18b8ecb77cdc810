"""What is wrong with data, told before a training finds out."""

from deepattn.check.finding import DOUBT, FAULT, Finding
from deepattn.check.run import check_data

__all__ = ["DOUBT", "FAULT", "Finding", "check_data"]
