"""Distillation: a fast student that gives what a slow teacher gives."""

from deepattn.distill.outcome import Outcome
from deepattn.distill.potential import Labels
from deepattn.distill.run import distill

__all__ = ["Labels", "Outcome", "distill"]
