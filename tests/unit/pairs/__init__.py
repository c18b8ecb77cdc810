"""Potentials of pairs."""
