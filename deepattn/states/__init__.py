"""Weights as PyTorch's files name them: rules that translate the names, and what they describe."""

from deepattn.states.part import StateFormat
from deepattn.states.rules import Rule, read_state, write_state

__all__ = ["Rule", "StateFormat", "read_state", "write_state"]
