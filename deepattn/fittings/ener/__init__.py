"""Energies of atoms."""
