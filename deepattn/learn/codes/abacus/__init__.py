"""ABACUS."""
