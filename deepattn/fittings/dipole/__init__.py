"""Dipole moments."""
